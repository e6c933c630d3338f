// SPDX-License-Identifier: Apache-2.0
// The end of pods: stop, remove, collect.  A pod's mounts, namespaces and processes are gone with
// its PID 1; what is left is a directory, a cgroup and a uid range.
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/syscall.h"
#include "priv-helper/server.h"
#include "sandbox/cgroup.h"
#include "store/pod_file.h"

namespace airlock::helper {

namespace {

constexpr int kStopMilliseconds = 25'000;  // ten seconds to TERM, ten for post-stop handlers
constexpr int kStepMilliseconds = 250;

Result<void> removeWhole(Server& server, const store::Pod& pod) {
  TRY(sandbox::removeCgroup(pod.record.cgroup));
  fault("gc-cgroup");
  TRY(server.pods.remove(pod.record.pod));
  fault("gc-directory");
  return store::releaseNumbers(server.store.top(), pod.record);
}

}  // namespace

Result<Answer> stop(Server& server, ipc::StopRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Stop));
  const store::Pod pod = TRY(server.pods.find(request.pod));
  TRY(server.authoriser.owned({Verb::Stop, pod.record.ownerUid}));
  if (pod.state == store::PodState::Exited || pod.state == store::PodState::ExitedGarbage) {
    return refuse(ErrorKind::Busy, "E_STOPPED",
                  "pod \"" + request.pod.text() + "\" is already stopped");
  }
  const Fd process = TRY(store::openPodProcess(pod));
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
  TRY(server.authoriser.owned({Verb::Remove, pod.record.ownerUid}));
  if (pod.state == store::PodState::Running || pod.state == store::PodState::Preparing) {
    return refuse(ErrorKind::Busy, "E_RUNNING",
                  "pod \"" + request.pod.text() + "\" is currently running",
                  "Stop it first: airlock stop " + request.pod.text());
  }
  TRY(removeWhole(server, pod));
  return Answer{ipc::Done{}, {}};
}

Result<Answer> collectGarbage(Server& server, ipc::CollectGarbageRequest request,
                              ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.plain(Verb::CollectGarbage));
  ipc::Collected collected;
  const auto mayTouch = [&](const store::Pod& pod) {
    return server.authoriser.owned({Verb::CollectGarbage, pod.record.ownerUid}).has_value();
  };
  for (const store::Pod& pod : TRY(server.pods.list())) {
    if (pod.state != store::PodState::Exited || !mayTouch(pod)) continue;
    if (TRY(server.pods.mark(pod.record.pod))) collected.marked.push_back(pod.record.pod);
  }
  fault("gc-marked");
  if (!request.markOnly) {
    const std::int64_t now = ::time(nullptr);
    for (const store::Pod& pod : TRY(server.pods.list())) {
      const PodId id = pod.record.pod;
      const bool marked = pod.state == store::PodState::ExitedGarbage;
      if ((!marked && pod.state != store::PodState::Garbage) || !mayTouch(pod)) continue;
      // Grace counts from the mark, which is the directory's last change.
      if (marked) {
        const auto since = server.pods.changedAt("exited-garbage", id);
        if (since && now - *since < static_cast<std::int64_t>(request.graceSeconds)) {
          collected.waiting.push_back(id);
          continue;
        }
      }
      // One pod that cannot be removed does not keep the others.
      if (auto removed = removeWhole(server, pod)) {
        collected.removed.push_back(id);
      } else {
        collected.problems.push_back("pod \"" + id.text() + "\": " + removed.error().text());
      }
    }
    for (const PodId& id : TRY(server.pods.in("embryo"))) {
      static_cast<void>(sandbox::removeCgroup(server.pods.cgroupOfAbandoned(id).value_or("")));
    }
    TRY(store::sweepLeftovers(server.store.top(), server.pods));
  }
  return Answer{std::move(collected), {}};
}

}  // namespace airlock::helper
