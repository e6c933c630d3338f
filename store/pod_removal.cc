// SPDX-License-Identifier: Apache-2.0
#include "store/pod_removal.h"

#include <time.h>

#include <algorithm>

#include "base/fault.h"
#include "base/limits.h"
#include "sandbox/cgroup.h"
#include "store/pod_file.h"

namespace airlock::store {

Result<void> removePod(FdRef top, const PodDirectory& pods, const Pod& pod) {
  TRY(sandbox::removeCgroup(cgroupOf(pod)));
  fault("gc-cgroup");
  TRY(pods.remove(pod.record.pod));
  fault("gc-directory");
  return releaseNumbers(top, pod.record);
}

Result<ipc::Collected> collectPods(FdRef top, const PodDirectory& pods,
                                   const ipc::CollectGarbageRequest& request,
                                   const MayCollect& mayTouch) {
  ipc::Collected collected;
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
  const auto isOver = [&](const Pod& pod, std::string_view folder, std::uint64_t seconds) {
    // Grace counts from the rename into the folder, which is the directory's last change.
    const auto since = pods.changedAt(folder, pod.record.pod);
    return !since ||
           now - *since >= static_cast<std::int64_t>(std::min<std::uint64_t>(seconds, INT32_MAX));
  };
  for (const Pod& pod : TRY(pods.list())) {
    if (!mayTouch(pod)) continue;
    const PodId id = pod.record.pod;
    Result<bool> moved = false;
    std::vector<PodId>* list = &collected.marked;
    if (pod.state == PodState::Exited) {
      moved = pods.mark(id);
    } else if (pod.state == PodState::AbortedPrepare) {
      list = &collected.aborted;
      moved = pods.abort(id);
    } else if (pod.state == PodState::Prepared &&
               isOver(pod, "prepared", request.expirePreparedSeconds)) {
      list = &collected.expired;
      moved = pods.expire(id);
    }
    if (!moved) problem(id, moved.error());
    if (moved && *moved) list->push_back(id);
  }
  fault("gc-marked");
  if (request.markOnly) return collected;
  for (const Pod& pod : TRY(pods.list())) {
    const PodId id = pod.record.pod;
    const bool marked = pod.state == PodState::ExitedGarbage;
    if ((!marked && pod.state != PodState::Garbage) || !mayTouch(pod)) continue;
    if (marked && !isOver(pod, "exited-garbage", request.graceSeconds)) {
      collected.waiting.push_back(id);
      continue;
    }
    if (auto removed = removePod(top, pods, pod)) {
      collected.removed.push_back(id);
    } else if (removed.error().kind() != ErrorKind::Busy) {  // else another is at it
      problem(id, removed.error());
    }
  }
  for (const PodId& id : TRY(pods.in("embryo"))) {
    static_cast<void>(sandbox::removeCgroup(pods.cgroupOfAbandoned(id).value_or("")));
  }
  TRY(sweepLeftovers(top, pods));
  return collected;
}

}  // namespace airlock::store
