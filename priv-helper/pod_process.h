// SPDX-License-Identifier: Apache-2.0
// Starting stage1: the pod's first process, and the ones that enter it.  Helper only.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "store/uid_ranges.h"

namespace airlock::helper {

// A cloned process in the pod's new namespaces, waiting for its descriptors; nothing of stage1 runs
// yet.  Dropping it kills it, and with it the pid namespace.
class WaitingPod {
 public:
  struct Options {
    const std::string& label;  // of stage1; "": SELinux is off
    store::UidRange range;
    bool hostNetwork;
    std::optional<FdRef> cgroup;
    bool childOfCaller;  // CLONE_PARENT: the caller started us, and reaps it
  };
  static Result<WaitingPod> clone(const Options& options);

  FdRef pidfd() const { return child_.pidfd(); }
  pid_t pid() const { return child_.pid(); }
  // Hands over the descriptors of the stage1 contract (number in stage1 -> ours) and execs the
  // program; returns when it runs.
  Result<Child> exec(FdRef program, const std::vector<std::pair<int, FdRef>>& descriptors) &&;

 private:
  WaitingPod(Child child, Fd control) : child_(std::move(child)), control_(std::move(control)) {}
  Child child_;
  Fd control_;
};

// A process inside every namespace of another, and in its pod a child of PID 1, waiting for its
// descriptors.  Dropping it ends it.
class WaitingEntrant {
 public:
  struct Options {
    FdRef target;            // pidfd of a process of the pod
    const char* entryPoint;  // of stage1: "enter" or "app"
    bool hostNetwork;
    std::optional<FdRef> cgroup;
    const std::string& label;
  };
  static Result<WaitingEntrant> join(const Options& options);

  FdRef pidfd() const { return pidfd_.ref(); }
  // As WaitingPod's; returns the pidfd.
  Result<Fd> exec(FdRef program, const std::vector<std::pair<int, FdRef>>& descriptors) &&;

 private:
  WaitingEntrant(Fd pidfd, Fd control) : pidfd_(std::move(pidfd)), control_(std::move(control)) {}
  Fd pidfd_;
  Fd control_;
};

}  // namespace airlock::helper
