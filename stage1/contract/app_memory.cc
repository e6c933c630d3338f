// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/app_memory.h"

#include <fcntl.h>

#include "base/limits.h"
#include "base/syscall.h"
#include "sandbox/cgroup.h"

namespace airlock::stage1 {

Result<AppMemory> AppMemory::watch(FdRef cgroup, std::uint64_t limit) {
  AppMemory memory;
  if (!cgroup.valid()) return memory;
  memory.limit_ = limit;
  auto events = sys::openBeneath(cgroup, TRY(Component::parse("memory.events")), O_RDONLY);
  if (!events && events.error().kind() == ErrorKind::Missing) return memory;
  memory.events_ = TRY(std::move(events));
  return memory;
}

bool AppMemory::ranOut() const {
  if (!events_.valid()) return false;
  const auto text = sys::readAll(events_, limits::kTextBytes);
  return text && sandbox::cgroupNumber(*text, "oom_kill").value_or(0) > 0;
}

std::string AppMemory::reason() const {
  if (limit_ == 0) return "out of memory, and it has no limit of its own";
  const bool whole = limit_ % limits::MiB == 0;
  return "out of memory: its limit is " + (whole ? std::to_string(limit_ / limits::MiB) + " MiB"
                                                 : std::to_string(limit_) + " bytes");
}

}  // namespace airlock::stage1
