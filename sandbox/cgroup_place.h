// SPDX-License-Identifier: Apache-2.0
// Where the pods of a caller go in the v2 hierarchy, and whether limits hold there: below the
// caller's own group, so that what limits and ends the caller's unit does so to its pods.  The
// helper, and whoever tells about it.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "sandbox/cgroup.h"

namespace airlock::sandbox {

struct CgroupPlace {
  std::string path;         // the group below which a pod's own is made; "" is the root
  std::string controllers;  // of cpu, memory and pids, those that it can hand on
  bool divisible = false;   // limits hold below it, after divideCgroup()
  std::string obstacle;     // else: why, and what to do about it
};

// For a caller of this uid whose own group is `own`.  Looks, and changes nothing.
Result<CgroupPlace> findCgroupPlace(FdRef hierarchy, const std::string& own, uid_t caller);

// Makes limits below a divisible place possible: the kernel hands controllers on only from a group
// without processes, so those in it are moved into a leaf of it.
Result<void> divideCgroup(FdRef hierarchy, const CgroupPlace& place);

}  // namespace airlock::sandbox
