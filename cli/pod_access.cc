// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_access.h"

#include <fcntl.h>

#include <algorithm>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/in_message.h"
#include "cli/options.h"
#include "cli/text_output.h"
#include "store/pod_names.h"

namespace airlock::cli {

namespace {
constexpr std::size_t kUuidFileBytes = 64;
}  // namespace

Result<std::optional<OpenedPods>> openPods(const Options& options) {
  auto store = TRY(store::Store::openForReading(options.dir));
  if (!store) return std::optional<OpenedPods>();
  auto pods = TRY(store::PodDirectory::openForReading(store->top()));
  if (!pods) return std::optional<OpenedPods>();
  return std::optional(OpenedPods{*std::move(store), *std::move(pods)});
}

namespace {

Result<PodId> resolve(const OpenedPods& opened, std::string_view text) {
  if (const auto whole = PodId::parse(text)) return *whole;
  auto begins = opened.pods.resolve(text);
  const auto name = AppName::parse(text);
  if (!name) return begins;
  const auto named = TRY(store::podOfName(opened.store.top(), *name));
  // A name outlives its pod until the next gc when the helper was killed between the two.
  if (!named || !opened.pods.find(*named)) return begins;
  if (begins && *begins == *named) return *named;
  if (!begins && begins.error().code() == "E_NOT_FOUND") return *named;
  return refuse(
      ErrorKind::Invalid, "E_AMBIGUOUS",
      "\"" + name->text() + "\" is the name of one pod and the beginning of another's UUID",
      "Write out the UUID, or more of it");
}

}  // namespace

Result<store::Pod> findPod(const Options& options, std::string_view text, bool broken) {
  const auto opened = TRY(openPods(options));
  if (!opened) {
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "no matches found for " + airlock::quoted(text),
                  "There are no pods in " + printable(options.dir));
  }
  store::Pod pod = TRY(opened->pods.find(TRY(resolve(*opened, text))));
  if (pod.broken.empty() || broken) return pod;
  return refuse(ErrorKind::Failed, "E_BROKEN",
                "pod \"" + pod.record.pod.text() + "\": " + pod.broken,
                "Remove it: airlock rm " + pod.record.pod.text());
}

Result<std::vector<std::string>> podOperands(std::vector<std::string> operands,
                                             const std::string& uuidFile) {
  if (!uuidFile.empty()) {
    const Fd file =
        TRY(inMessage(sys::openPath(uuidFile, O_RDONLY), "unable to resolve UUID from file"));
    std::string text = TRY(sys::readAll(file, kUuidFileBytes));
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    operands.push_back(TRY(inMessage(PodId::parse(text), printable(uuidFile))).text());
  }
  if (operands.empty()) {
    return refuse(ErrorKind::Invalid, "E_FLAG", "a pod's UUID or name is needed",
                  "airlock list shows them");
  }
  return operands;
}

Result<void> requireRunning(const store::Pod& pod) {
  if (pod.state == store::PodState::Running) return {};
  return refuse(ErrorKind::Busy, "E_STOPPED",
                "pod \"" + pod.record.pod.text() + "\" isn't currently running");
}

Result<AppName> chooseApp(const store::Pod& pod, const std::string& wanted,
                          const std::string& command) {
  const auto& apps = pod.record.apps;
  if (!wanted.empty()) {
    const AppName name = TRY(AppName::parse(wanted));
    if (std::ranges::find(apps, name, &ipc::PodApp::name) != apps.end()) return name;
    return refuse(ErrorKind::Missing, "E_APP", "no app \"" + wanted + "\" in the pod");
  }
  if (apps.size() == 1) return apps.front().name;
  if (apps.empty()) {
    return refuse(ErrorKind::Missing, "E_APP", "the pod has no app",
                  "Add one: " + programName() + " app add " + pod.record.pod.text() + " IMAGE");
  }
  complain(command, "pod contains multiple apps:");
  for (const ipc::PodApp& app : apps) complain(command, "\t" + app.name.text());
  return refuse(ErrorKind::Invalid, "E_APP",
                "unable to determine app name: specify app using \"" + programName() + " " +
                    command + " --app= ...\"");
}

void complain(std::string_view command, std::string_view text) {
  note(std::string(command) + ": " + std::string(text) + "\n");
}

}  // namespace airlock::cli
