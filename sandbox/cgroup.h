// SPDX-License-Identifier: Apache-2.0
// Groups of cgroup v2: found, made, limited, emptied, removed.  Who gets which limit is decided by
// the caller; whoever may write the hierarchy.  See cgroups(7), cgroup-v2.rst of the kernel.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/path.h"
#include "base/result.h"

namespace airlock::sandbox {

// Where cgroup v2 is mounted: the whole hierarchy, or the "unified" part of a hybrid one.
std::optional<Fd> openCgroupHierarchy();

// A process's own group, as the kernel tells it to this process: a path below the hierarchy, ""
// for its root.
Result<std::string> cgroupOf(pid_t pid);

Result<Fd> openCgroup(FdRef hierarchy, const std::string& path);
std::string cgroupPath(const std::string& parent, const Component& name);
// `dir` of a group that is made now; one of that name is an error.
Result<Fd> makeCgroup(FdRef parent, const Component& name);

// One file of a group.
Result<void> writeCgroup(FdRef dir, const char* file, const std::string& value);
Result<std::string> readCgroup(FdRef dir, const char* file);
// The number behind `key` in a file of lines "key number" (cgroup.events, memory.events, cpu.stat).
std::optional<std::uint64_t> cgroupNumber(std::string_view content, std::string_view key);

struct CgroupLimits {
  std::uint64_t memoryBytes = 0;  // each 0: no limit
  std::uint32_t cpuMillis = 0;    // thousandths of a processor
  std::uint32_t cpuShares = 0;    // 2 to 262144, as cgroup v1 had them; 1024 is everyone's
  std::uint32_t pidsMax = 0;      // processes and threads
};
struct CgroupLimit {
  std::string name;  // "memory", "cpu", "pids"
  bool enforced = false;
  std::string detail;  // "memory.max=67108864", or why not
};
// Sets each limit that is asked for, and says of each whether it holds.
std::vector<CgroupLimit> limitCgroup(FdRef dir, const CgroupLimits& limits);

// The controllers that limits need, of those that `dir` can hand on to groups below it:
// "cpu memory pids" at most.
Result<std::string> usefulControllers(FdRef dir);
// Hands them on.  Busy (EBUSY) while processes are in `dir` itself: then only its children may have
// limits ("no internal processes", cgroups(7)).
Result<void> handOnControllers(FdRef dir);

// By a path below the hierarchy, as a pod's record has it; "" is none, and nothing is done.
// nullopt: there is none, or no hierarchy.
Result<std::optional<Fd>> findCgroup(const std::string& path);
// SIGKILL to everything in the group and below it, at once (Linux 5.14).
Result<void> killCgroup(const std::string& path);
// Ends everything in it and below it, and removes it; missing is fine.
Result<void> removeCgroup(const std::string& path);

}  // namespace airlock::sandbox
