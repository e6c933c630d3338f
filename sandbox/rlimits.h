// SPDX-License-Identifier: Apache-2.0
// Resource limits, soft and hard at once.  Every process of ours.
#pragma once

#include <span>

#include "base/process.h"
#include "base/result.h"

namespace airlock::sandbox {

// Sets and reads back each limit, and RLIMIT_CORE to 0: a core of ours would hold what the process
// was to protect. A limit above the hard one that is in force is lowered to that one.  setrlimit(2)
Result<void> applyLimits(std::span<const ResourceLimit> limits);

// Gives process `to` the limits of process `from`, and how soon it is killed for memory: as if it
// were its child.  Cores stay as they are, and so does what only CAP_SYS_RESOURCE may pass on, on a
// host whose root lacks it.  Root.
Result<void> takeLimitsOf(pid_t from, pid_t to);

}  // namespace airlock::sandbox
