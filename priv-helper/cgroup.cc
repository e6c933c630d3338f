// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/cgroup.h"

#include <fcntl.h>

#include <algorithm>

#include "base/syscall.h"
#include "sandbox/cgroup.h"
#include "store/layout.h"

namespace airlock::helper {

Result<std::optional<PodCgroup>> makeCgroup(const std::string& parentPath, FdRef podDir,
                                            const ipc::PodSpec& spec) {
  const auto hierarchy = sandbox::openCgroupHierarchy();
  if (!hierarchy) return std::optional<PodCgroup>();
  const Fd parent = TRY(sandbox::openCgroup(*hierarchy, parentPath));
  const Component own = store::name("airlock-" + spec.id.text());
  const std::string path = sandbox::cgroupPath(parentPath, own);
  // Noted before it is there: a start that dies without a record leaves nothing unknown.
  const Fd note = TRY(sys::openBeneath(podDir, store::name("cgroup"), O_WRONLY | O_CREAT, 0600));
  TRY(sys::writeAll(note, path));
  PodCgroup group{.dir = TRY(sandbox::makeCgroup(parent, own)), .path = path, .layers = {}};
  sandbox::CgroupLimits limits;
  for (const ipc::AppSpec& app : spec.apps) {
    limits.memoryBytes += app.memoryBytes;
    limits.cpuMillis += app.cpuMillis;
  }
  // One app without a limit leaves the pod without.
  if (std::ranges::count(spec.apps, 0U, &ipc::AppSpec::memoryBytes) > 0) limits.memoryBytes = 0;
  if (std::ranges::count(spec.apps, 0U, &ipc::AppSpec::cpuMillis) > 0) limits.cpuMillis = 0;
  // A controller may be off here; asking for it is right where that is allowed, and is told.
  if (limits.any()) {
    static_cast<void>(sandbox::writeCgroup(parent, "cgroup.subtree_control", "+memory +cpu +pids"));
  }
  for (sandbox::CgroupLimit& limit : sandbox::limitCgroup(group.dir, limits))
    group.layers.push_back({std::move(limit.name), limit.enforced, std::move(limit.detail)});
  return std::optional(std::move(group));
}

}  // namespace airlock::helper
