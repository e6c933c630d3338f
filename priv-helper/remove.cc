// SPDX-License-Identifier: Apache-2.0
// The end of pods: stop, remove, collect.  A pod's mounts, namespaces and processes are gone with
// its PID 1; what is left is a directory, a cgroup and a uid range.
#include <signal.h>

#include "base/syscall.h"
#include "priv-helper/run.h"
#include "priv-helper/server.h"
#include "sandbox/cgroup.h"
#include "store/added_apps.h"
#include "store/pod_file.h"
#include "store/pod_removal.h"

namespace airlock::helper {

namespace {

constexpr int kStopMilliseconds = 25'000;  // ten seconds to TERM, ten for post-stop handlers
constexpr int kStepMilliseconds = 250;

}  // namespace

Result<Answer> stop(Server& server, ipc::StopRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Stop));
  const store::Pod pod = TRY(server.pods.find(request.pod));
  server.trail.entry.rule = TRY(server.authoriser.owned({Verb::Stop, pod.record.ownerUid})).rule();
  if (request.app) return stopApp(server, pod, *request.app, request.force);
  if (pod.state == store::PodState::Exited || pod.state == store::PodState::ExitedGarbage) {
    return refuse(ErrorKind::Busy, "E_STOPPED",
                  "pod \"" + request.pod.text() + "\" is already stopped");
  }
  const Fd process = TRY(store::openPodProcess(pod));
  TRY(server.trail.allow());
  // K24: all at once, where there is cgroup v2; else by the death of PID 1.
  if (!request.force || !sandbox::killCgroup(pod.record.cgroup))
    TRY(sys::pidfdSignal(process, request.force ? SIGKILL : SIGTERM));
  // Also over when the lock is free: a process that had entered, dead and not reaped by whoever
  // inherited it, keeps PID 1 of the pod from ending for ever (pid_namespaces(7)).
  bool ended = false;
  for (int waited = 0; !ended && waited < kStopMilliseconds; waited += kStepMilliseconds)
    ended = TRY(sys::pidfdWait(process, kStepMilliseconds)) || !TRY(store::isAlive(pod.dir));
  if (!ended) {
    return refuse(ErrorKind::Busy, "E_TIMEOUT", "pod \"" + request.pod.text() + "\" has not ended",
                  "End it with: airlock stop --force " + request.pod.text());
  }
  return Answer{ipc::Done{}, {}};
}

Result<Answer> removePod(Server& server, ipc::RemovePodRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Remove));
  const store::Pod pod = TRY(server.pods.find(request.pod));
  server.trail.entry.rule =
      TRY(server.authoriser.owned({Verb::Remove, pod.record.ownerUid})).rule();
  if (!request.app) TRY(store::checkIdle(pod));
  TRY(server.trail.allow());
  if (request.app) {
    TRY(TRY(store::SandboxChange::begin(server.pods, request.pod)).remove(*request.app));
    return Answer{ipc::Done{}, {}};
  }
  TRY(store::removePod(server.store.top(), server.pods, pod));
  return Answer{ipc::Done{}, {}};
}

Result<Answer> collectGarbage(Server& server, ipc::CollectGarbageRequest request,
                              ipc::FdTable fds) {
  TRY(fds.expect(0));
  server.trail.entry.rule = TRY(server.authoriser.plain(Verb::CollectGarbage)).rule();
  TRY(server.trail.probe());  // what goes is known when it has gone
  ipc::Collected collected =
      TRY(store::collectPods(server.store.top(), server.pods, request, [&](const store::Pod& pod) {
        return server.authoriser.owned({Verb::CollectGarbage, pod.record.ownerUid}).has_value();
      }));
  std::vector<std::string> gone;
  for (const PodId& pod : collected.removed) gone.push_back(pod.text());
  if (gone.empty()) server.trail.keepQuiet();
  server.trail.entry.subject.texts("pods", gone);
  return Answer{std::move(collected), {}};
}

}  // namespace airlock::helper
