// SPDX-License-Identifier: Apache-2.0
#include "cli/app_streams.h"

#include "base/limits.h"
#include "cli/in_message.h"
#include "cli/journal.h"

namespace airlock::cli {

namespace {

constexpr const char* kJournalVolume = "airlock-journal";

// A volume that no app has: journalctl -M finds it in the root of the pod's first process.
Result<void> addJournal(const std::string& nameSpace, PodRequest& request) {
  JournalDirectory journal =
      TRY(inMessage(openJournalDirectory(nameSpace), "journal namespace " + nameSpace));
  ipc::PodSpec& pod = request.request.pod;
  pod.journal = kJournalVolume;
  pod.volumes.push_back({.name = TRY(AppName::parse(kJournalVolume)),
                         .kind = ipc::VolumeKind::Host,
                         .readOnly = true,
                         .recursive = false,
                         .source = std::move(journal.path)});
  request.volumes.push_back(std::move(journal.fd));
  return {};
}

}  // namespace

Result<std::vector<Fd>> openAppStreams(const PodArguments& wanted, const std::string& journalStream,
                                       PodRequest& request) {
  std::vector<Fd> streams;
  ipc::PodSpec& pod = request.request.pod;
  const bool automatic = wanted.journal == "auto";
  if (wanted.journal == "off" || (automatic && wanted.interactive)) return streams;
  if (wanted.interactive) {
    return refuse(ErrorKind::Invalid, "E_FLAG",
                  "an app has its output on a terminal or in a journal, not both",
                  "Leave out --interactive or --journal");
  }
  const bool output = !automatic || isJournalStream(FdRef(1), journalStream);
  const bool errors = !automatic || isJournalStream(FdRef(2), journalStream);
  if (!output && !errors) return streams;

  const std::size_t taken = 3 + request.volumes.size() + (automatic ? 0 : 1) +
                            request.filters.size() + request.sockets.size();
  if (taken + pod.apps.size() * (std::size_t{output} + std::size_t{errors}) >
      limits::kMessageDescriptors) {
    if (automatic) {
      request.notes.push_back("too many descriptors: the apps share one stream to the journal");
      return streams;
    }
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "the pod has too many apps and volumes for --journal");
  }
  const std::string unit = ownUnit();
  const std::string socket = journalSocket(automatic ? "" : wanted.journal);
  // What has a place of its own already does not go to the journal.
  const auto wants = [](bool journal, ipc::StreamMode mode) {
    return journal && mode == ipc::StreamMode::Inherit;
  };
  for (const ipc::AppSpec& app : pod.apps) {
    for (const bool each : {wants(output, app.output), wants(errors, app.errors)}) {
      if (!each) continue;
      auto stream = openJournalStream(socket, app.name.text(), unit);
      if (!stream && automatic) {
        request.notes.push_back("the apps share one stream to the journal: " +
                                stream.error().message());
        return std::vector<Fd>();
      }
      if (!stream) {
        return refuse(ErrorKind::Missing, "E_JOURNAL",
                      "the journal namespace " + wanted.journal +
                          " cannot be used: " + stream.error().message(),
                      "Start it: LogNamespace= in the unit, or systemctl start systemd-journald@" +
                          wanted.journal + ".socket");
      }
      streams.push_back(*std::move(stream));
    }
  }
  if (!automatic) TRY(addJournal(wanted.journal, request));
  for (ipc::AppSpec& app : pod.apps) {
    app.ownOutput = wants(output, app.output);
    app.ownErrors = wants(errors, app.errors);
  }
  return streams;
}

}  // namespace airlock::cli
