// SPDX-License-Identifier: Apache-2.0
// The groups of one pod: PID 1 in a leaf, each app in one beside it, limits on each and on all.
// Made by the helper; which limits is its decision.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "sandbox/cgroup_place.h"

namespace airlock::sandbox {

struct AppGroup {
  AppName app;
  CgroupLimits limits;
};

struct PodGroups {
  Component name;
  CgroupLimits whole;  // of all of the pod
  std::vector<AppGroup> apps;
  // The pod's root on the host: it may start processes in the apps' groups, which takes write
  // access to cgroup.procs there and above (cgroups(7)), and nothing else.
  uid_t owner = 0;
  std::optional<pid_t> leader;  // PID 1, when it waits already: it is moved
};

struct PodCgroup {
  Fd init;               // of PID 1, for CLONE_INTO_CGROUP
  std::vector<Fd> apps;  // the contract's descriptors: each app's group, detached and read-only
  std::vector<CgroupLimit> limits;  // one for each kind, over all groups
};

// Makes the pod's group at `place`, divided if that is possible, and in it "init" and "app-NAME"
// for each app.  On failure something of it may be left: removeCgroup().
Result<PodCgroup> makePodCgroup(FdRef hierarchy, const CgroupPlace& place, const PodGroups& wanted);

// A group more in the pod whose group is at `path`, in place of one that an app of that name had:
// whatever is left in that is ended.  `owner` as in PodGroups.
struct AddedCgroup {
  Fd init;  // where the app's supervisor belongs, which the app's limits are not for
  Fd app;   // as in PodCgroup
  std::vector<CgroupLimit> limits;
};
Result<std::optional<AddedCgroup>> addAppCgroup(const std::string& path, const AppGroup& wanted,
                                                uid_t owner);
// Ends everything in an app's group and removes it; missing is fine.
Result<void> removeAppCgroup(const std::string& path, const AppName& app);

// The group of an app of the pod whose group is at `path`; of its PID 1 when it has no such app.
// nullopt: the pod has no group.
Result<std::optional<Fd>> openAppCgroup(const std::string& path, const AppName& app);

}  // namespace airlock::sandbox
