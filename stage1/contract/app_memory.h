// SPDX-License-Identifier: Apache-2.0
// Whether an app was ended for want of memory: what its cgroup says.  Every stage1 flavour.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::stage1 {

class AppMemory {
 public:
  AppMemory() = default;  // nothing is known
  // `cgroup` is the app's of the contract, or not valid; only its memory.events stays open.  Where
  // the group has no memory controller nothing is known.
  static Result<AppMemory> watch(FdRef cgroup, std::uint64_t limit);

  // Whether the kernel has killed something of the app to get memory back.  Reads an open
  // descriptor, and so works under the filter of PID 1.
  bool ranOut() const;
  // "out of memory: its limit is 64 MiB"
  std::string reason() const;

 private:
  Fd events_;
  std::uint64_t limit_ = 0;  // 0: it has none, the pod's caller or the host ran out
};

}  // namespace airlock::stage1
