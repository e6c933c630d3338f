// SPDX-License-Identifier: Apache-2.0
// Apps of a sandbox: added to a pod that runs, started, stopped, taken away.  A start is that of a
// pod, step by step (run.cc), in namespaces that are there already (docs/decisions/0032).
#include <signal.h>

#include <utility>

#include "base/fault.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "priv-helper/measure.h"
#include "priv-helper/pod_process.h"
#include "priv-helper/run.h"
#include "store/added_apps.h"
#include "store/host_layers.h"
#include "store/pod_label.h"
#include "store/pod_mounts.h"

namespace airlock::helper {

namespace {

constexpr int kStopMilliseconds = 25'000;  // as a pod's

// An app whose start has been measured.
struct AppStart {
  Server& server;
  const store::SandboxChange& change;
  const store::AddedApp& app;
  const ipc::PodSpec& spec;
  const ipc::RunDescriptors& received;
  ipc::PodRecord& record;
  const store::PodFiles& files;  // with that record
};

// Steps 4 to 7 of a pod's start (run.cc).
Result<Answer> startMeasured(const AppStart& start, MeasuredStart measured) {
  const auto& [server, change, app, spec, received, record, files] = start;
  // In the pod's cgroup: the app in a new one, with its limits; what watches it beside PID 1.
  const auto cgroup = TRY(change.makeGroup(spec.apps[0]));
  if (cgroup)
    TRY(store::noteLimits(cgroup->limits, "", server.policy.demands("cgroup"), measured.layers));
  const Fd podIds = TRY(change.openIds());
  const store::PodLabel label = store::labelOf(spec, server.policy.labels);
  const Fd lock = TRY(store::makeLock(app.dir));
  const auto mounts = TRY(
      store::makeMounts(server.store, {.spec = spec,
                                       .trees = measured.trees,
                                       .volumes = received.volumes,
                                       .caller = server.peer,
                                       .hostMounts = server.hostMounts,
                                       .podIds = podIds,
                                       .files = {app.dir, store::UidRange{record.firstUid}, label},
                                       .logGroup = change.ownersGroup()}));
  record.layers = measured.layers;
  record.measured = measured.measured;
  TRY(store::writePodFiles(app.dir, files));
  fault("app-start-mounted");
  WaitingEntrant entrant =
      TRY(WaitingEntrant::join({.target = change.process(),
                                .entryPoint = "app",
                                .hostNetwork = spec.network == ipc::Network::Host,
                                .cgroup = cgroup ? std::optional(cgroup->init.ref()) : std::nullopt,
                                .label = label.stage1}));
  const pid_t pid = TRY(sys::pidOf(entrant.pidfd()));
  TRY(store::writePid(app.dir, pid));  // before it runs: what lives is known
  fault("app-start-recorded");
  const Sealed sealedSpec = TRY(Sealed::make("airlock-pod-spec", std::string(files.spec)));
  sys::SocketPair leash = TRY(sys::socketPair());
  auto descriptors = received.places(spec);
  descriptors.insert(
      descriptors.end(),
      {{ipc::kLeashFd, leash.second}, {ipc::kSpecFd, sealedSpec.fd()}, {ipc::kLockFd, lock}});
  for (const auto& [number, mount] : mounts) descriptors.emplace_back(number, mount);
  if (cgroup) descriptors.emplace_back(ipc::Stage1Descriptors{spec}.cgroup(0), cgroup->app);
  Answer answer{ipc::Started{.pod = spec.id, .layers = measured.layers}, {}};
  answer.fds.push_back(TRY(std::move(entrant).exec(measured.stage1, descriptors)));
  answer.fds.push_back(std::move(leash.first));
  fault("app-start-done");
  return answer;
}

}  // namespace

Result<Answer> runInSandbox(Server& server, ipc::RunRequest request, ipc::RunDescriptors received) {
  server.trail.entry.op = request.prepare ? "app-add" : "app-start";
  server.trail.entry.pod = *request.sandbox;
  const store::Pod pod = TRY(server.pods.find(*request.sandbox));
  TRY(server.authoriser.owned({Verb::Run, pod.record.ownerUid}));
  const auto change = TRY(store::SandboxChange::begin(server.pods, pod.record.pod));
  const Fd pin = TRY(server.store.pin());
  const auto authorised =
      TRY(authoriseStart(server, TRY(change.specOf(request.pod, server.peer.uid)), received));
  const ipc::PodSpec& spec = authorised->pod;
  const AppName& name = spec.apps[0].name;

  ipc::PodRecord record = change.pod().record;
  record.apps = store::appsOf(spec, authorised->images);
  record.rule = authorised.rule();
  record.createdAt = sys::wallClock();
  const std::string specBytes = TRY(ipc::encode(spec));
  const store::PodFiles files{record, request.podManifest, change.ownersGroup(), specBytes};
  TRY(store::checkVolumes(store::labelOf(spec, server.policy.labels), spec, received.volumes));
  if (request.prepare) {
    TRY(server.trail.allow());
    TRY(change.add(name, files));
    return Answer{ipc::Prepared{.pod = spec.id}, {}};
  }
  const store::AddedApp* app = TRY(change.findStopped(request));
  record.createdAt = app->createdAt;
  MeasuredStart measured = TRY(measureStart(
      server, {spec, authorised->images, specBytes, request.podManifest, record.firstUid}));
  fault("app-start-measured");
  auto answer =
      startMeasured({server, change, *app, spec, received, record, files}, std::move(measured));
  if (!answer) {
    static_cast<void>(
        measure(server, {}, ipc::AbortFacts{.pod = spec.id, .reason = answer.error().code()}));
  }
  return answer;
}

Result<Answer> stopApp(Server& server, const store::Pod& pod, const AppName& name, bool force) {
  TRY(store::requireSandbox(pod));
  const Fd process = TRY(store::openProcessOf(pod, name));
  TRY(server.trail.allow());
  TRY(sys::pidfdSignal(process, SIGTERM));
  if (force) TRY(sys::pidfdSignal(process, SIGINT));  // who asks twice is in a hurry
  if (!TRY(sys::pidfdWait(process, kStopMilliseconds))) {
    return refuse(ErrorKind::Busy, "E_TIMEOUT", "app \"" + name.text() + "\" has not ended",
                  "End it with: airlock app stop --force");
  }
  TRY(TRY(store::SandboxChange::begin(server.pods, pod.record.pod)).sweep(name));
  return Answer{ipc::Done{}, {}};
}

}  // namespace airlock::helper
