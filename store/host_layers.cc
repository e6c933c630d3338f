// SPDX-License-Identifier: Apache-2.0
#include "store/host_layers.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/syscall.h"
#include "sandbox/cgroup.h"
#include "sandbox/cgroup_place.h"

namespace airlock::store {

namespace {

ipc::Layer landlock() {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi > 0)
    return {"landlock", true,
            "ABI " + std::to_string(abi) + ", for the fetcher, the verifier and the measurer"};
  return {"landlock", false,
          "the kernel does not offer it: " + Error::fromErrno(errno, "landlock").message()};
}

ipc::Layer selinux() {
  struct statfs info;
  if (::statfs("/sys/fs/selinux", &info) != 0 || info.f_type != SELINUX_MAGIC) {
    return {"selinux", false, "SELinux is not enabled on this host"};
  }
  return {"selinux", false, "SELinux is enabled, but this version does not label pods yet"};
}

ipc::Layer cgroup() {
  const auto hierarchy = sandbox::openCgroupHierarchy();
  if (!hierarchy) return {"cgroup", false, "no cgroup v2 hierarchy: limits are not enforced"};
  const auto controllers = sandbox::usefulControllers(*hierarchy);
  if (!controllers) return {"cgroup", false, controllers.error().message()};
  if (controllers->empty())
    return {"cgroup", false,
            "a v2 hierarchy without controllers: pods are grouped, limits are not enforced"};
  return {"cgroup", true, "v2 with " + *controllers};
}

ipc::Layer cgroupOf(pid_t caller, uid_t uid) {
  ipc::Layer host = cgroup();
  if (!host.enforced) return host;
  const auto place = [&]() -> Result<sandbox::CgroupPlace> {
    const auto hierarchy = sandbox::openCgroupHierarchy();
    if (!hierarchy) return fail(ErrorKind::Missing, "no cgroup v2 hierarchy");
    return sandbox::findCgroupPlace(*hierarchy, TRY(sandbox::cgroupOf(caller)), uid);
  }();
  if (!place) return {"cgroup", false, place.error().message()};
  if (!place->obstacle.empty())
    return {"cgroup", false, "v2, but limits do not hold where you are: " + place->obstacle};
  return {"cgroup", true, "v2 with " + place->controllers + ", for pods below /" + place->path};
}

}  // namespace

std::vector<ipc::Layer> hostLayers() {
  std::vector<ipc::Layer> layers;
  const bool seccomp = ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
  layers.push_back({"seccomp", seccomp,
                    seccomp ? "filters compiled into the programs" : "the kernel has no seccomp"});
  layers.push_back(landlock());
  const bool userns = ::access("/proc/self/ns/user", F_OK) == 0;
  layers.push_back({"namespaces", userns,
                    userns ? "user, pid, mount, ipc, uts, net and cgroup" : "no user namespaces"});
  layers.push_back(cgroup());
  layers.push_back(selinux());
  return layers;
}

std::vector<ipc::Layer> hostLayersFor(pid_t caller, uid_t uid) {
  std::vector<ipc::Layer> layers = hostLayers();
  for (ipc::Layer& layer : layers) {
    if (layer.name == "cgroup") layer = cgroupOf(caller, uid);
  }
  return layers;
}

}  // namespace airlock::store
