// SPDX-License-Identifier: Apache-2.0
#include "cli/start_pod.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/app_streams.h"
#include "cli/attach.h"
#include "cli/detach.h"
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/obtain_image.h"
#include "cli/options.h"
#include "cli/pod_access.h"
#include "cli/pod_values.h"
#include "cli/stage1_choice.h"
#include "cli/stream_relay.h"
#include "cli/terminal.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

Result<std::vector<image::EnvironmentVariable>> readEnvironmentFiles(
    const std::vector<std::string>& paths) {
  std::vector<image::EnvironmentVariable> environment;
  for (const std::string& path : paths) {
    const Fd file = TRY(sys::openPath(path, O_RDONLY));
    const std::string text =
        TRY(inMessage(sys::readAll(file, limits::kManifestBytes), printable(path)));
    const auto variables = TRY(inMessage(parseEnvironmentFile(text), printable(path)));
    environment.insert(environment.end(), variables.begin(), variables.end());
  }
  return environment;
}

Result<store::Store> openStore(const Options& options) {
  auto store = TRY(store::Store::openForReading(options.dir));
  if (!store)
    return refuse(ErrorKind::Missing, "E_STORE", "there is no store in " + printable(options.dir),
                  "Fetch the images first: airlock fetch");
  return *std::move(store);
}

Result<std::vector<ChosenImage>> obtainImages(const Options& options, const PodArguments& wanted) {
  std::vector<ChosenImage> images;
  for (const AppArguments& app : wanted.apps) {
    ChosenImage chosen{TRY(obtainImage(options, app.image, app.signature, wanted.pullPolicy)), {}};
    const store::Store store = TRY(openStore(options));
    chosen.manifest = TRY(store.manifest(chosen.record));
    images.push_back(std::move(chosen));
  }
  return images;
}

Result<image::PodManifest> readManifestFile(const std::string& path) {
  const Fd file = TRY(sys::openPath(path, O_RDONLY));
  const std::string text =
      TRY(inMessage(sys::readAll(file, limits::kManifestBytes), printable(path)));
  image::PodManifest manifest = TRY(inMessage(image::parsePodManifest(text), printable(path)));
  TRY(image::requireApps(manifest));
  return manifest;
}

// What the apps get for stdin: ours, but no terminal that two would read from.
Result<Fd> inputFor(bool interactive) {
  if (!interactive && isTerminal(FdRef(0))) return sys::openPath("/dev/null", O_RDONLY);
  auto own = sys::duplicate(FdRef(0));
  if (own) return own;
  return sys::openPath("/dev/null", O_RDONLY);  // started without a stdin
}

void tellLayers(const ipc::Started& started, const char* command) {
  for (const ipc::Layer& layer : started.layers) {
    complain(command, "stage0: " + printable(layer.name) +
                          (layer.enforced ? ": enforced: " : ": not enforced: ") +
                          printable(layer.detail));
  }
}

}  // namespace

Result<std::vector<ChosenImage>> imagesOf(const Options& options,
                                          const image::PodManifest& manifest) {
  std::vector<ChosenImage> images;
  const store::Store store = TRY(openStore(options));
  for (const image::RuntimeApp& app : manifest.apps) {
    ChosenImage chosen{TRY(inMessage(store.findByPrefix(app.image.id), "app " + app.name.text())),
                       {}};
    chosen.manifest = TRY(store.manifest(chosen.record));
    images.push_back(std::move(chosen));
  }
  return images;
}

Result<PlannedPod> planFrom(const Options& options, const PodArguments& wanted,
                            Surroundings& surroundings, const char* command) {
  TRY(checkStage1(options, wanted));
  PlannedPod planned;
  PodPlan plan;
  if (!wanted.podManifest.empty()) {
    image::PodManifest manifest = TRY(readManifestFile(wanted.podManifest));
    if (wanted.detach) leaveCaller(manifest);
    planned.images = TRY(imagesOf(options, manifest));
    plan = TRY(planPod(std::move(manifest), planned.images));
  } else {
    if (wanted.inheritEnvironment) surroundings.parentEnvironment = environmentOf(environ);
    surroundings.fileEnvironment = TRY(readEnvironmentFiles(wanted.environmentFiles));
    planned.images = TRY(obtainImages(options, wanted));
    plan = TRY(planPod(wanted, planned.images, surroundings));
  }
  for (const std::string& warning : plan.warnings) complain(command, warning);
  planned.manifest = std::move(plan.manifest);
  return planned;
}

Result<void> saveUuid(const std::string& path, const PodId& pod) {
  if (path.empty()) return {};
  constexpr mode_t readable = 0644;
  const Fd file = TRY(sys::openPath(path, O_WRONLY | O_CREAT | O_TRUNC, readable));
  return inMessage(sys::writeAll(file, pod.text()), printable(path));
}

std::vector<FdRef> descriptorsOf(const PodRequest& request, std::vector<FdRef> streams,
                                 const ServiceVariables& service) {
  std::vector<FdRef> fds = std::move(streams);
  for (const Fd& volume : request.volumes) fds.push_back(volume);
  for (const Sealed& filter : request.filters) fds.push_back(filter.fd());
  for (const std::size_t socket : request.sockets) fds.push_back(service.sockets[socket].fd);
  return fds;
}

Result<PodId> preparePod(const Options& options, PodRequest& request) {
  request.request.prepare = true;
  const Fd nothing = TRY(sys::openPath("/dev/null", O_RDWR));
  const ServiceVariables service;
  const std::vector<FdRef> fds =
      descriptorsOf(request, {nothing.ref(), nothing.ref(), nothing.ref()}, service);
  const HelperAnswer answer = TRY(askHelper(options, request.request, fds));
  const auto* prepared = std::get_if<ipc::Prepared>(&answer.reply);
  if (prepared == nullptr)
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  return prepared->pod;
}

Result<PodRequest> requestPrepared(const Options& options, const PodId& pod,
                                   const std::string& text, std::span<const ChosenImage> images,
                                   const PodArguments& start, Surroundings surroundings) {
  TRY(checkStage1(options, start));
  image::PodManifest manifest = TRY(image::parsePodManifest(text));
  if (start.detach) leaveCaller(manifest);  // which the stored one does not say
  std::optional<MetadataEntry> metadata;
  if (start.mdsRegister) {
    metadata = MetadataEntry{newMetadataToken(), {}};
    surroundings.metadataUrl = TRY(metadataUrl(options, metadata->token));
    for (std::size_t i = 0; i < images.size(); ++i)
      metadata->apps.emplace_back(manifest.apps[i].name.text(), images[i].manifest);
  }
  PodRequest request = TRY(requestPod(manifest, images, start, surroundings));
  request.request.podManifest = text;
  request.request.prepared = pod;
  request.metadata = std::move(metadata);
  return request;
}

Result<void> checkWhoseVolumes(const store::Pod& pod, const image::PodManifest& manifest,
                               const std::string& what) {
  const uid_t owner = pod.record.ownerUid;
  const auto isHost = [](const image::Volume& volume) {
    return volume.kind == image::Volume::Kind::Host;
  };
  const bool any = std::ranges::any_of(manifest.volumes, isHost) ||
                   std::ranges::any_of(manifest.apps, [&](const image::RuntimeApp& app) {
                     return std::ranges::any_of(app.mounts, [&](const image::Mount& mount) {
                       return mount.appVolume && isHost(*mount.appVolume);
                     });
                   });
  if (!any || owner == ::geteuid()) return {};
  return refuse(ErrorKind::Denied, "E_DENIED",
                what + " was prepared by " + userName(owner) +
                    " with volumes of the host, which would be opened with your rights",
                "Run it as " + userName(owner) + ", or prepare one of your own");
}

Result<int> startAndHold(const Options& options, PodRequest& request, const PodArguments& start,
                         const ServiceVariables& service, const char* command) {
  const std::vector<Fd> streams = TRY(openAppStreams(start, service.journalStream, request));
  for (const std::string& warning : request.warnings) complain(command, warning);
  if (options.debug) {
    for (const std::string& line : request.notes) complain(command, line);
  }

  std::optional<DetachedHolder> holder;
  if (start.detach) {
    auto here = TRY(detach());
    if (const int* code = std::get_if<int>(&here)) return *code;
    holder = std::get<DetachedHolder>(std::move(here));
  }
  std::optional<MetadataRegistration> registration;  // in the process that stays
  if (request.metadata) {
    registration.emplace(TRY(MetadataRegistration::make(
        options, *request.request.prepared, *request.metadata, request.request.podManifest)));
  }
  const Fd input = TRY(inputFor(start.interactive));
  const FdRef standard(input);
  // Detached: nobody is there, and our input is /dev/null.
  std::optional<StreamRelay> relay = TRY(
      StreamRelay::make({standard, holder ? standard : FdRef(1), holder ? standard : FdRef(2)}));
  std::vector<FdRef> fds =
      descriptorsOf(request, {relay->streams().begin(), relay->streams().end()}, service);
  for (const Fd& stream : streams) fds.push_back(stream);
  HelperAnswer answer = TRY(askHelper(options, request.request, fds));
  const auto* started = std::get_if<ipc::Started>(&answer.reply);
  if (started == nullptr || answer.fds.size() != 2) {
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  }
  relay->handedOver();
  const StopSignals signals = TRY(StopSignals::block());
  ipc::Channel leash(std::move(answer.fds[1]));
  TRY(saveUuid(start.uuidFile, started->pod));
  if (options.debug) tellLayers(*started, command);

  std::vector<std::string> notifying;
  for (const ipc::AppSpec& app : request.request.pod.apps)
    if (app.notify) notifying.push_back(app.name.text());
  Notifier notifier(service.notifySocket, std::move(notifying));
  const Attachment attachment{.process = answer.fds[0],
                              .signals = signals.fd(),
                              .input = FdRef(0),
                              .output = FdRef(1),
                              .terminal = start.interactive,
                              .escape = !start.interactive && !holder,
                              .notifier = &notifier,
                              .onReady = [&] {
                                if (holder) holder->podIsReady(started->pod);
                              }};
  const Ending ending = TRY(holdLeash(attachment, leash));
  relay.reset();
  registration.reset();
  if (ending.killed)
    note("Container " + programName() + "-" + started->pod.text() +
         " terminated by signal KILL.\n");
  return exitAs(ending);
}

}  // namespace airlock::cli
