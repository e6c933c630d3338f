// SPDX-License-Identifier: Apache-2.0
#include "sandbox/pod_cgroup.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <unistd.h>

#include <algorithm>

#include "base/syscall.h"

namespace airlock::sandbox {

namespace {

constexpr std::size_t kMostDetail = 1024;  // of one kind of limit; a pod may have 16 apps
constexpr std::size_t kMostName = 200;     // of an app, in its group's name
constexpr gid_t kSameGroup = static_cast<gid_t>(-1);

Component groupOf(const AppName& app) {
  // The prefix keeps it apart from PID 1: an app may be named "init".
  return Component::parse("app-" + app.text().substr(0, kMostName)).value();
}
Component initGroup() { return Component::parse("init").value(); }

void note(std::vector<CgroupLimit>& all, const std::string& group, std::vector<CgroupLimit> some) {
  for (CgroupLimit& limit : some) {
    const std::string detail = group + ": " + limit.detail;
    const auto same = std::ranges::find(all, limit.name, &CgroupLimit::name);
    if (same == all.end()) {
      all.push_back({limit.name, limit.enforced, detail});
    } else if (same->enforced && !limit.enforced) {
      *same = {limit.name, false, detail};  // what does not hold is what is to be told
    } else if (same->enforced == limit.enforced && same->detail.size() < kMostDetail) {
      same->detail += ", " + detail;
    }
  }
}

Result<void> giveProcs(FdRef dir, uid_t owner) {
  if (::fchownat(dir.get(), "cgroup.procs", owner, kSameGroup, AT_SYMLINK_NOFOLLOW) == 0) return {};
  return failErrno("give a cgroup to the pod");
}

// Nothing can be written through it, and ".." does not lead out of it (CVE-2024-21626).
Result<Fd> detached(FdRef dir) {
  Fd mount = TRY(sys::openTree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  mount_attr attributes{};
  attributes.attr_set =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  TRY(sys::mountSetattr(mount, 0, attributes));
  return mount;
}

}  // namespace

Result<PodCgroup> makePodCgroup(FdRef hierarchy, const CgroupPlace& place,
                                const PodGroups& wanted) {
  PodCgroup pod;
  const Fd group = TRY(makeCgroup(TRY(openCgroup(hierarchy, place.path)), wanted.name));
  pod.init = TRY(makeCgroup(group, initGroup()));
  // First: controllers are handed on only from where no process is.
  if (wanted.leader) TRY(writeCgroup(pod.init, "cgroup.procs", std::to_string(*wanted.leader)));
  // What cannot be handed on is told by the limit that then cannot be set.
  if (place.divisible) static_cast<void>(divideCgroup(hierarchy, place));
  note(pod.limits, "pod", limitCgroup(group, wanted.whole));
  static_cast<void>(handOnControllers(group));
  TRY(giveProcs(group, wanted.owner));
  for (const AppGroup& app : wanted.apps) {
    const Component own = groupOf(app.app);
    const Fd dir = TRY(makeCgroup(group, own));
    note(pod.limits, own.text(), limitCgroup(dir, app.limits));
    TRY(giveProcs(dir, wanted.owner));
    pod.apps.push_back(TRY(detached(dir)));
  }
  return pod;
}

Result<void> removeAppCgroup(const std::string& path, const AppName& app) {
  return path.empty() ? Result<void>() : removeCgroup(cgroupPath(path, groupOf(app)));
}

Result<std::optional<AddedCgroup>> addAppCgroup(const std::string& path, const AppGroup& wanted,
                                                uid_t owner) {
  const auto hierarchy = openCgroupHierarchy();
  if (!hierarchy || path.empty()) return std::optional<AddedCgroup>();
  TRY(removeAppCgroup(path, wanted.app));
  const Fd pod = TRY(openCgroup(*hierarchy, path));
  const Component own = groupOf(wanted.app);
  const Fd dir = TRY(makeCgroup(pod, own));
  AddedCgroup made{.init = TRY(openCgroup(pod, initGroup().text())), .app = {}, .limits = {}};
  note(made.limits, own.text(), limitCgroup(dir, wanted.limits));
  TRY(giveProcs(dir, owner));
  made.app = TRY(detached(dir));
  return std::optional(std::move(made));
}

Result<std::optional<Fd>> openAppCgroup(const std::string& path, const AppName& app) {
  const auto hierarchy = openCgroupHierarchy();
  if (!hierarchy || path.empty()) return std::optional<Fd>();
  auto own = openCgroup(*hierarchy, cgroupPath(path, groupOf(app)));
  if (!own && own.error().kind() == ErrorKind::Missing)
    own = openCgroup(*hierarchy, cgroupPath(path, initGroup()));
  return std::optional(TRY(std::move(own)));
}

}  // namespace airlock::sandbox
