// SPDX-License-Identifier: Apache-2.0
#include "store/host_layers.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/limits.h"
#include "base/syscall.h"
#include "sandbox/cgroup.h"
#include "sandbox/cgroup_place.h"
#include "store/layout.h"

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
  const auto hierarchy = sandbox::openCgroupHierarchy();
  if (!hierarchy) return {"cgroup", false, "no cgroup v2 hierarchy: limits are not enforced"};
  const auto controllers = sandbox::usefulControllers(*hierarchy);
  if (!controllers) return {"cgroup", false, controllers.error().message()};
  if (controllers->empty())
    return {"cgroup", false,
            "a v2 hierarchy without controllers: pods are grouped, limits are not enforced"};
  return {"cgroup", true, "v2 with " + *controllers};
}

// As airlock-systemd decides it (systemd/arrange.cc): in a login session, say.
bool getsOwnScope(const std::string& path) {
  if (::access(kSystemdRuns, F_OK) != 0) return false;
  const std::string unit = path.substr(path.rfind('/') + 1);
  return (unit.starts_with("session-") && unit.ends_with(".scope")) || unit == "init.scope" ||
         unit.ends_with(".slice");
}

std::string numberIn(const char* path) {
  const auto file = sys::openPath(path, O_RDONLY);
  std::string text = file ? sys::readAll(*file, limits::kTextBytes).value_or("") : "";
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

ipc::Layer namespaces() {
  if (::access("/proc/self/ns/user", F_OK) != 0 ||
      numberIn("/proc/sys/user/max_user_namespaces") == "0")
    return {"namespaces", false, "no user namespaces can be made: pods cannot run"};
  const bool forRoot = numberIn("/proc/sys/kernel/unprivileged_userns_clone") == "0";
  return {"namespaces", true,
          std::string("user, pid, mount, ipc, uts, net and cgroup") +
              (forRoot ? "; users cannot make them, so not verify into a store of their own" : "")};
}

}  // namespace

std::vector<ipc::Layer> hostLayers(const LabelPolicy& labels) {
  std::vector<ipc::Layer> layers;
  const bool seccomp = ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
  layers.push_back({"seccomp", seccomp,
                    seccomp ? "filters compiled into the programs" : "the kernel has no seccomp"});
  layers.push_back(landlock());
  layers.push_back(namespaces());
  layers.push_back(cgroup());
  layers.push_back(selinuxLayer(labels));
  return layers;
}

ipc::Layer cgroupLayerFor(pid_t caller, uid_t uid) {
  ipc::Layer host = cgroup();
  if (!host.enforced) return host;
  const auto place = [&]() -> Result<sandbox::CgroupPlace> {
    const auto hierarchy = sandbox::openCgroupHierarchy();
    if (!hierarchy) return fail(ErrorKind::Missing, "no cgroup v2 hierarchy");
    return sandbox::findCgroupPlace(*hierarchy, TRY(sandbox::cgroupOf(caller)), uid);
  }();
  if (!place) return {"cgroup", false, place.error().message()};
  if (!place->divisible && getsOwnScope(place->path))
    return {"cgroup", true, host.detail + ", in a scope that systemd makes for each pod"};
  if (!place->obstacle.empty())
    return {"cgroup", false, "v2, but limits do not hold where you are: " + place->obstacle};
  return {"cgroup", true, "v2 with " + place->controllers + ", for pods below /" + place->path};
}

std::vector<ipc::Layer> hostLayersFor(const LabelPolicy& labels, pid_t caller, uid_t uid) {
  std::vector<ipc::Layer> layers = hostLayers(labels);
  for (ipc::Layer& layer : layers) {
    if (layer.name == "cgroup") layer = cgroupLayerFor(caller, uid);
  }
  return layers;
}

Result<void> noteLimits(std::span<const sandbox::CgroupLimit> limits, const std::string& obstacle,
                        bool required, std::vector<ipc::Layer>& layers) {
  for (const sandbox::CgroupLimit& limit : limits) {
    const std::string why = limit.enforced || obstacle.empty() ? "" : ": " + obstacle;
    layers.push_back({limit.name, limit.enforced, limit.detail + why});
    if (limit.enforced || !required) continue;
    return refuse(ErrorKind::Unsupported, "E_REQUIRED",
                  "policy requires cgroup, and a limit does not hold here: " + layers.back().detail,
                  "Start it from a cgroup whose controllers are delegated");
  }
  return {};
}

Result<void> requireLayers(std::span<const std::string> required,
                           std::span<const ipc::Layer> layers) {
  for (const std::string& name : required) {
    const auto layer = std::ranges::find(layers, name, &ipc::Layer::name);
    if (layer == layers.end() || layer->enforced || name == "measurement" || name == "audit")
      continue;
    return refuse(ErrorKind::Unsupported, "E_REQUIRED",
                  "policy requires " + name + ", and it does not hold here: " + layer->detail,
                  "Run it where that layer exists, or take it out of the require line");
  }
  return {};
}

}  // namespace airlock::store
