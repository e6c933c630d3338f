// SPDX-License-Identifier: Apache-2.0
// Telling a process from another one that got its number later.  Helper only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace airlock::helper {

// Field 22 of /proc/PID/stat: clock ticks since boot (proc(5)).
Result<std::uint64_t> startTimeOf(pid_t pid);

// The groups of a user by /etc/passwd and /etc/group, for `policy explain` on somebody's behalf.
Result<std::vector<gid_t>> groupsOf(uid_t uid);

}  // namespace airlock::helper
