// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/pod_file.h"

#include <fcntl.h>

#include <charconv>

#include "base/limits.h"
#include "base/process.h"
#include "base/syscall.h"
#include "priv-helper/cgroup.h"
#include "store/layout.h"
#include "store/uid_ranges.h"

namespace airlock::helper {

Result<Fd> openPodProcess(const store::Pod& pod) {
  const auto gone = [&] {
    return refuse(ErrorKind::Missing, "E_NOT_RUNNING",
                  "pod \"" + pod.record.pod.text() + "\" isn't currently running");
  };
  if (pod.state != store::PodState::Running || !pod.pid) return gone();
  const std::string text = TRY(sys::readFile(pod.dir, store::name("pid"), 64));
  auto pidfd = sys::pidfdOpen(*pod.pid);
  if (!pidfd) return gone();
  // H14: the number may be another process's by now; the pidfd is held, so start times decide.
  const auto started = startTimeOf(*pod.pid);
  if (!started || text != std::to_string(*pod.pid) + " " + std::to_string(*started) + "\n")
    return gone();
  return pidfd;
}

Result<std::string> readSpec(const store::Pod& pod) {
  return sys::readFile(pod.dir, store::name("spec"), limits::kSealedBytes);
}

Result<void> sweepLeftovers(Server& server) {
  for (const PodId& id : TRY(server.pods.in("embryo"))) {
    // A living one is locked and refuses; a dead one has no process, no mount and nobody's record.
    static_cast<void>(removeCgroup(server.pods.cgroupOfAbandoned(id).value_or("")));
    static_cast<void>(server.pods.removeEmbryo(id));
  }
  for (const PodId& id : TRY(server.pods.in("garbage"))) static_cast<void>(server.pods.remove(id));
  std::vector<PodId> all;
  for (const char* folder : {"embryo", "run", "exited-garbage", "garbage"}) {
    for (const PodId& id : TRY(server.pods.in(folder))) all.push_back(id);
  }
  return store::reconcileUidRanges(server.store.top(), all);
}

}  // namespace airlock::helper
