// SPDX-License-Identifier: Apache-2.0
// The one sequence that a process of ours goes through before it touches foreign bytes.  Called
// from main() of every process but the helper's and stage1's own start of a pod (which set up
// namespaces first).
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"
#include "sandbox/landlock.h"

namespace airlock::sandbox {

struct Confinement {
  std::span<const sock_filter> filter;  // policies::kNAME of "sandbox/policies/NAME.bpf.h"
  std::vector<PathAccess> paths;  // what stays reachable by path; empty = no file system at all
  std::vector<int> keep;  // descriptors that stay open beside 0, 1 and 2; all others are closed
  std::vector<std::string> environment;  // names of variables that stay; all others are removed
  bool network = false;  // false: no TCP where the kernel's Landlock can say so (ABI 4)
  std::vector<ResourceLimit> limits;  // soft and hard; RLIMIT_CORE is always 0
  std::optional<uid_t> invoker;  // the user that the work is done for, for Enforced::separateUser
};

// What holds from now on; each was read back from the kernel.  What is false is for `doctor`, the
// pod's status and the audit record, and for a caller whose policy requires it.
struct Enforced {
  bool seccomp = false;
  int landlockAbi = 0;  // 0: no Landlock
  LandlockState landlock;
  bool noNewPrivileges = false;
  bool noCapabilities = false;  // effective, permitted, inheritable and ambient sets are empty
  bool notDumpable = false;
  bool separateUser = false;  // runs as another user than `invoker`
};

// Confines this process for good.  An error means that a step went wrong: the process must end.
// Missing Landlock is not an error (see Enforced).  The process must have one thread only.
Result<Enforced> enter(const Confinement& confinement);

// Ends the process when it was started without argv[0] (CVE-2021-4034).  First statement of every
// main().
void refuseEmptyArguments(int argc);

}  // namespace airlock::sandbox
