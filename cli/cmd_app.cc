// SPDX-License-Identifier: Apache-2.0
// Pods whose apps come and go while they run: app sandbox, add, start, stop and rm.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "cli/stage1_choice.h"
#include "cli/start_pod.h"
#include "cli/stream_relay.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

constexpr int kLookAgainMilliseconds = 20;
constexpr std::int64_t kReadyMilliseconds = 20'000;  // for which a sandbox may still be starting

struct AppOperands {
  std::string app;
  std::string pod;
  bool force = false;
};

Result<AppOperands> parse(const std::vector<std::string>& arguments, const std::string& command,
                          bool mayForce = false) {
  AppOperands parsed;
  std::string uuidFile;
  FlagSet flags;
  const auto text = [&flags](const char* name, std::string& target) {
    flags.value(name, [&target](const std::string& value) -> Result<void> {
      target = value;
      return {};
    });
  };
  text("app", parsed.app);
  text("uuid-file", uuidFile);
  if (mayForce) flags.boolean("force", parsed.force);
  const auto operands = TRY(podOperands(TRY(flags.parseAll(arguments)), uuidFile));
  if (operands.size() != 1)
    return refuse(ErrorKind::Invalid, "E_FLAG", "app " + command + " takes one pod");
  parsed.pod = operands.front();
  return parsed;
}

// The helper knows it from the pod's spec; here, before an image is downloaded for nothing.
Result<void> requireMutable(const store::Pod& pod) {
  const auto text = readPodManifest(pod);
  const auto manifest = text ? image::parsePodManifest(*text) : std::unexpected(text.error());
  if (!manifest || image::annotationValue(manifest->annotations, kMutable) == "true") return {};
  return refuse(
      ErrorKind::Invalid, "E_IMMUTABLE",
      "pod \"" + pod.record.pod.text() + "\" is immutable: its apps are those it was started with",
      "Make one that can be changed: airlock app sandbox");
}

Result<store::Pod> runningPod(const Options& options, const std::string& text) {
  store::Pod pod = TRY(inMessage(findPod(options, text), "problem retrieving pod"));
  TRY(requireMutable(pod));
  TRY(requireRunning(pod));
  return pod;
}

struct AppOfPod {
  store::Pod pod;
  AppName app;
};
Result<AppOfPod> findApp(const Options& options, const AppOperands& wanted,
                         const std::string& command) {
  store::Pod pod = TRY(runningPod(options, wanted.pod));
  AppName app = TRY(chooseApp(pod, wanted.app, "app " + command));
  return AppOfPod{std::move(pod), std::move(app)};
}

// The volumes of an app that is added are its own: there may be others of these names in the pod.
void ownVolumes(image::PodManifest& manifest) {
  for (image::Mount& mount : manifest.apps.front().mounts) {
    const auto volume = std::ranges::find(manifest.volumes, mount.volume, &image::Volume::name);
    if (!mount.appVolume && volume != manifest.volumes.end()) mount.appVolume = *volume;
  }
  manifest.volumes.clear();
}

// Its caller may go when it runs: the app hangs on its pod alone.
Result<void> waitUntilStarted(ipc::Channel& leash, const AppName& app) {
  for (;;) {
    auto message = TRY(leash.receive(-1));
    const auto event = message ? ipc::decodeLeashEvent(message->bytes)
                               : Result<ipc::LeashEvent>(fail(ErrorKind::Failed, "it has ended"));
    if (event && event->kind == ipc::LeashEvent::Kind::Ready) return {};
    if (event && event->kind != ipc::LeashEvent::Kind::Failed) continue;
    return refuse(ErrorKind::Failed, "E_START",
                  "app \"" + app.text() + "\" did not start: " +
                      printable(event ? event->text : event.error().message()));
  }
}

Result<store::Pod> waitUntilReady(const Options& options, store::Pod pod) {
  const std::int64_t until = sys::now() + kReadyMilliseconds;
  while (!pod.ready && pod.state == store::PodState::Running && sys::now() < until) {
    ::poll(nullptr, 0, kLookAgainMilliseconds);
    pod = TRY(findPod(options, pod.record.pod.text()));
  }
  return pod;
}

}  // namespace

Result<int> appSandbox(const Options& options, const std::vector<std::string>& arguments) {
  StreamRelay::leaveCategories();
  const ServiceVariables service = TRY(takeServiceVariables());
  const PodArguments wanted = TRY(parsePodArguments(arguments, PodVerb::Sandbox));
  TRY(findHelper(options));
  Surroundings surroundings{.insecure = options.insecure,
                            .watchdogMicroseconds = service.watchdogMicroseconds};
  const PlannedPod planned = TRY(planFrom(options, wanted, surroundings, "sandbox"));
  PodRequest request = TRY(requestPod(planned.manifest, planned.images, wanted, surroundings));
  request.request.name = wanted.podName;
  return startAndHold(options, request, wanted, service, "sandbox");
}

Result<int> appAdd(const Options& options, const std::vector<std::string>& arguments) {
  const PodArguments wanted = TRY(parsePodArguments(arguments, PodVerb::Add));
  TRY(findHelper(options));
  const store::Pod pod = TRY(runningPod(options, wanted.target));
  Surroundings surroundings{.insecure = options.insecure};
  PlannedPod planned = TRY(planFrom(options, wanted, surroundings, "add"));
  ownVolumes(planned.manifest);
  // The same request as for a start, so that what could not be started is not added.
  PodRequest request = TRY(requestPod(planned.manifest, planned.images, wanted, surroundings));
  for (const std::string& warning : request.warnings) complain("add", warning);
  request.request.sandbox = pod.record.pod;
  TRY(preparePod(options, request));
  out(planned.manifest.apps.front().name.text() + "\n");
  return 0;
}

Result<int> appStart(const Options& options, const std::vector<std::string>& arguments) {
  auto [found, app] = TRY(findApp(options, TRY(parse(arguments, "start")), "start"));
  const store::Pod pod = TRY(waitUntilReady(options, std::move(found)));
  const store::AddedApp* added = pod.addedApp(app);
  if (added == nullptr)
    return refuse(ErrorKind::Missing, "E_APP", "no app \"" + app.text() + "\" in the pod");
  const std::string text = TRY(inMessage(readAppManifest(*added), "manifest of the app"));
  const image::PodManifest manifest = TRY(image::parsePodManifest(text));
  TRY(checkWhoseVolumes(pod, manifest, "app \"" + app.text() + "\""));
  const std::vector<ChosenImage> images = TRY(imagesOf(options, manifest));
  PodArguments start;
  start.detach = true;
  TRY(checkStage1(options, start));
  const Surroundings surroundings{.insecure = options.insecure};
  PodRequest request = TRY(requestPod(manifest, images, start, surroundings));
  for (const std::string& warning : request.warnings) complain("start", warning);
  request.request.podManifest = text;
  request.request.sandbox = pod.record.pod;
  const Fd nothing = TRY(sys::openPath("/dev/null", O_RDWR));
  const ServiceVariables service;
  HelperAnswer answer = TRY(
      askHelper(options, request.request,
                descriptorsOf(request, {nothing.ref(), nothing.ref(), nothing.ref()}, service)));
  if (!std::holds_alternative<ipc::Started>(answer.reply) || answer.fds.size() != 2)
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  ipc::Channel leash(std::move(answer.fds[1]));
  TRY(waitUntilStarted(leash, app));
  return 0;
}

Result<int> appStop(const Options& options, const std::vector<std::string>& arguments) {
  const AppOperands wanted = TRY(parse(arguments, "stop", true));
  const auto [pod, app] = TRY(findApp(options, wanted, "stop"));
  if (const store::AddedApp* added = pod.addedApp(app); added != nullptr && !added->running) {
    return refuse(ErrorKind::Busy, "E_STOPPED", "app \"" + app.text() + "\" is already stopped");
  }
  TRY(askFor<ipc::Done>(options, ipc::StopRequest{pod.record.pod, wanted.force, app}));
  return 0;
}

Result<int> appRemove(const Options& options, const std::vector<std::string>& arguments) {
  const auto [pod, app] = TRY(findApp(options, TRY(parse(arguments, "rm")), "rm"));
  TRY(askFor<ipc::Done>(options, ipc::RemovePodRequest{pod.record.pod, app}));
  return 0;
}

}  // namespace airlock::cli
