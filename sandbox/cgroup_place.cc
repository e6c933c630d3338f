// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup_place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/syscall.h"
#include "sandbox/cgroup.h"

namespace airlock::sandbox {

namespace {

constexpr const char* kCallerLeaf = "airlock-caller";
constexpr const char* kEveryController = "cpu memory pids";
constexpr int kRounds = 20;  // processes may start while others are moved

bool systemdRuns() { return ::access("/run/systemd/system", F_OK) == 0; }  // sd_booted(3)

// systemd says so on the group of a unit with Delegate=yes (systemd.resource-control(5)).
bool saysDelegated(FdRef dir) {
  for (const char* name : {"trusted.delegate", "user.delegate"}) {
    char value = 0;
    if (::fgetxattr(dir.get(), name, &value, 1) == 1 && value == '1') return true;
  }
  return false;
}

// Whether the processes in this group are the caller's to move.
bool isCallers(FdRef dir, uid_t caller) {
  struct stat info;
  if (::fstatat(dir.get(), "cgroup.procs", &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (caller != 0 && info.st_uid != caller) return false;
  return !systemdRuns() || saysDelegated(dir);
}

std::string shown(const std::string& path) { return "/" + path; }

}  // namespace

Result<CgroupPlace> findCgroupPlace(FdRef hierarchy, const std::string& own, uid_t caller) {
  CgroupPlace place{.path = own, .controllers = {}, .divisible = false, .obstacle = {}};
  const std::string leaf = std::string("/") + kCallerLeaf;
  // Where an earlier start has put the caller: pods go beside it, if what is above is the caller's.
  if (("/" + own).ends_with(leaf)) {
    const std::string above =
        own.size() < leaf.size() ? "" : own.substr(0, own.size() - leaf.size());
    if (isCallers(TRY(openCgroup(hierarchy, above)), caller)) place.path = above;
  }
  const Fd dir = TRY(openCgroup(hierarchy, place.path));
  place.controllers = TRY(usefulControllers(dir));
  if (place.controllers != kEveryController) {
    const std::string has = place.controllers.empty() ? "none" : place.controllers;
    place.obstacle = "of the controllers cpu, memory and pids the group " + shown(place.path) +
                     " has " + has + "; with systemd, start it in a unit with Delegate=yes";
  }
  // The root of the hierarchy may have processes and hand on controllers at the same time.
  place.divisible = place.path.empty() || isCallers(dir, caller);
  if (!place.divisible) {
    place.obstacle = "the group " + shown(place.path) +
                     " is not delegated to the caller; start it with systemd-run "
                     "--property=Delegate=yes, or in a unit with Delegate=yes";
  }
  return place;
}

Result<void> divideCgroup(FdRef hierarchy, const CgroupPlace& place) {
  const Fd dir = TRY(openCgroup(hierarchy, place.path));
  auto done = handOnControllers(dir);
  for (int round = 0; round < kRounds && !done && done.error().number() == EBUSY; ++round) {
    const Fd leaf = TRY(sys::ensureDirectory(dir, TRY(Component::parse(kCallerLeaf)), 0755));
    const Fd into = TRY(sys::openBeneath(leaf, TRY(Component::parse("cgroup.procs")), O_WRONLY));
    const Fd from = TRY(sys::openBeneath(dir, TRY(Component::parse("cgroup.procs")), O_RDONLY));
    std::string pids = TRY(sys::readAll(from, limits::kMessageBytes));
    for (std::size_t end; (end = pids.find('\n')) != pids.npos; pids.erase(0, end + 1)) {
      // One that has ended meanwhile is no failure: the next round tells.
      static_cast<void>(sys::writeAll(into, pids.substr(0, end)));
    }
    done = handOnControllers(dir);
  }
  return inContext(std::move(done), "hand on the controllers of " + shown(place.path));
}

}  // namespace airlock::sandbox
