// SPDX-License-Identifier: Apache-2.0
#include "store/pod_file.h"

#include <fcntl.h>

#include <charconv>

#include "base/limits.h"
#include "base/process.h"
#include "base/syscall.h"
#include "store/layout.h"
#include "store/mcs.h"
#include "store/pod_label.h"
#include "store/uid_ranges.h"

namespace airlock::store {

Result<Fd> openPodProcess(const Pod& pod) {
  const auto gone = [&] {
    return refuse(ErrorKind::Missing, "E_NOT_RUNNING",
                  "pod \"" + pod.record.pod.text() + "\" isn't currently running");
  };
  if (pod.state != PodState::Running || !pod.pid) return gone();
  const std::string text = TRY(sys::readFile(pod.dir, name("pid"), 64));
  auto pidfd = sys::pidfdOpen(*pod.pid);
  if (!pidfd) return gone();
  // H14: the number may be another process's by now; the pidfd is held, so start times decide.
  const auto started = startTimeOf(*pod.pid);
  if (!started || text != std::to_string(*pod.pid) + " " + std::to_string(*started) + "\n")
    return gone();
  return pidfd;
}

Result<std::string> readSpec(const Pod& pod) {
  return sys::readFile(pod.dir, name("spec"), limits::kSealedBytes);
}

Result<void> releaseNumbers(FdRef top, const ipc::PodRecord& record) {
  TRY(releaseUidRange(top, record.pod, UidRange{record.firstUid}));
  return releaseLabel(top, record.pod, record.selinux);
}

Result<void> sweepLeftovers(FdRef top, const PodDirectory& pods) {
  for (const PodId& id : TRY(pods.in("embryo"))) {
    // A living one is locked and refuses; a dead one has no process, no mount and nobody's record.
    static_cast<void>(pods.removeEmbryo(id));
  }
  for (const PodId& id : TRY(pods.in("garbage"))) static_cast<void>(pods.remove(id));
  TRY(reconcileUidRanges(top, pods));
  return reconcileCategories(top, pods);
}

}  // namespace airlock::store
