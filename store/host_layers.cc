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

ipc::Layer cgroup() {
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct statfs info;
    if (::statfs(path, &info) != 0 || info.f_type != CGROUP2_SUPER_MAGIC) continue;
    std::string controllers;
    if (auto file = sys::openPath(std::string(path) + "/cgroup.controllers", O_RDONLY)) {
      controllers = sys::readAll(*file, limits::kTextBytes).value_or("");
      if (controllers.ends_with('\n')) controllers.pop_back();
    }
    if (controllers.empty())
      return {"cgroup", false,
              "a v2 hierarchy without controllers: pods are grouped, limits are not enforced"};
    return {"cgroup", true, "v2 with " + controllers};
  }
  return {"cgroup", false, "no cgroup v2 hierarchy: limits are not enforced"};
}

}  // namespace

std::vector<ipc::Layer> hostLayers(const LabelPolicy& labels) {
  std::vector<ipc::Layer> layers;
  const bool seccomp = ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
  layers.push_back({"seccomp", seccomp,
                    seccomp ? "filters compiled into the programs" : "the kernel has no seccomp"});
  layers.push_back(landlock());
  const bool userns = ::access("/proc/self/ns/user", F_OK) == 0;
  layers.push_back({"namespaces", userns,
                    userns ? "user, pid, mount, ipc, uts, net and cgroup" : "no user namespaces"});
  layers.push_back(cgroup());
  layers.push_back(selinuxLayer(labels));
  return layers;
}

}  // namespace airlock::store
