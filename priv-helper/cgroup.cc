// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/cgroup.h"

#include <fcntl.h>

#include "base/syscall.h"
#include "sandbox/cgroup_place.h"
#include "store/layout.h"

namespace airlock::helper {

Result<std::optional<sandbox::PodCgroup>> makeCgroup(const Server& server, FdRef podDir,
                                                     const ipc::PodSpec& spec, uid_t podRoot,
                                                     std::string& path,
                                                     std::vector<ipc::Layer>& layers) {
  const auto hierarchy = sandbox::openCgroupHierarchy();
  if (!hierarchy) return std::optional<sandbox::PodCgroup>();
  const std::string callers = TRY(sandbox::cgroupOf(server.peer.pid));
  // Alive after the reading: then the number was not another process's (I07).
  if (server.peer.pidfd)
    TRY(inContext(sys::pidfdSignal(*server.peer.pidfd, 0), "the caller has gone"));
  const auto place = TRY(sandbox::findCgroupPlace(*hierarchy, callers, server.peer.uid));
  if (place.divisible) TRY(sandbox::divideCgroup(*hierarchy, place));
  const Component own = store::name("airlock-" + spec.id.text());
  path = sandbox::cgroupPath(place.path, own);
  // Noted before it is there: a start that dies without a record leaves nothing unknown.
  const Fd note = TRY(sys::openBeneath(podDir, store::name("cgroup"), O_WRONLY | O_CREAT, 0600));
  TRY(sys::writeAll(note, path));
  std::vector<sandbox::AppGroup> apps;
  for (const ipc::AppSpec& app : spec.apps)
    apps.push_back({app.name, {app.memoryBytes, app.cpuMillis, app.cpuShares, app.pidsMax}});
  auto made = TRY(sandbox::makePodCgroup(TRY(sandbox::openCgroup(*hierarchy, place.path)), own,
                                         {.pidsMax = server.policy.pidsMax}, apps, podRoot));
  for (const sandbox::CgroupLimit& limit : made.limits) {
    const std::string why = limit.enforced || place.obstacle.empty() ? "" : ": " + place.obstacle;
    layers.push_back({limit.name, limit.enforced, limit.detail + why});
    if (limit.enforced || !server.policy.demands("cgroup")) continue;
    return refuse(ErrorKind::Unsupported, "E_REQUIRED",
                  "policy requires cgroup, and a limit does not hold here: " + layers.back().detail,
                  "Start it from a cgroup whose controllers are delegated");
  }
  return std::optional(std::move(made));
}

}  // namespace airlock::helper
