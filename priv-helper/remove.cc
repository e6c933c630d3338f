// SPDX-License-Identifier: Apache-2.0
// The end of pods: stop, remove, collect.  A pod's mounts, namespaces and processes are gone with
// its PID 1; what is left is a directory, a cgroup and a uid range.
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "priv-helper/server.h"
#include "sandbox/cgroup.h"
#include "store/pod_file.h"

namespace airlock::helper {

namespace {

constexpr int kStopMilliseconds = 25'000;  // ten seconds to TERM, ten for post-stop handlers
constexpr int kStepMilliseconds = 250;

Result<void> removeWhole(Server& server, const store::Pod& pod) {
  TRY(sandbox::removeCgroup(store::cgroupOf(pod)));
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
  TRY(store::checkIdle(pod));
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
  // One pod that cannot be moved or removed does not keep the others.
  std::size_t problems = 0;
  const auto problem = [&](const PodId& id, const Error& error) {
    const std::size_t most = limits::kReasons - 1;
    if (++problems <= most) {
      collected.problems.push_back("pod \"" + id.text() + "\": " + error.text());
    } else {
      collected.problems.resize(most);
      collected.problems.push_back("and " + std::to_string(problems - most) + " more");
    }
  };
  const std::int64_t now = ::time(nullptr);
  const auto isOver = [&](const store::Pod& pod, std::string_view folder, std::uint64_t seconds) {
    // Grace counts from the rename into the folder, which is the directory's last change.
    const auto since = server.pods.changedAt(folder, pod.record.pod);
    return !since ||
           now - *since >= static_cast<std::int64_t>(std::min<std::uint64_t>(seconds, INT32_MAX));
  };
  for (const store::Pod& pod : TRY(server.pods.list())) {
    if (!mayTouch(pod)) continue;
    const PodId id = pod.record.pod;
    Result<bool> moved = false;
    std::vector<PodId>* list = &collected.marked;
    if (pod.state == store::PodState::Exited) {
      moved = server.pods.mark(id);
    } else if (pod.state == store::PodState::AbortedPrepare) {
      list = &collected.aborted;
      moved = server.pods.abort(id);
    } else if (pod.state == store::PodState::Prepared &&
               isOver(pod, "prepared", request.expirePreparedSeconds)) {
      list = &collected.expired;
      moved = server.pods.expire(id);
    }
    if (!moved) problem(id, moved.error());
    if (moved && *moved) list->push_back(id);
  }
  fault("gc-marked");
  if (request.markOnly) return Answer{std::move(collected), {}};
  for (const store::Pod& pod : TRY(server.pods.list())) {
    const PodId id = pod.record.pod;
    const bool marked = pod.state == store::PodState::ExitedGarbage;
    if ((!marked && pod.state != store::PodState::Garbage) || !mayTouch(pod)) continue;
    if (marked && !isOver(pod, "exited-garbage", request.graceSeconds)) {
      collected.waiting.push_back(id);
      continue;
    }
    if (auto removed = removeWhole(server, pod)) {
      collected.removed.push_back(id);
    } else if (removed.error().kind() != ErrorKind::Busy) {  // else another is at it
      problem(id, removed.error());
    }
  }
  for (const PodId& id : TRY(server.pods.in("embryo"))) {
    static_cast<void>(sandbox::removeCgroup(server.pods.cgroupOfAbandoned(id).value_or("")));
  }
  TRY(store::sweepLeftovers(server.store.top(), server.pods));
  return Answer{std::move(collected), {}};
}

}  // namespace airlock::helper
