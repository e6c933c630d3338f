// SPDX-License-Identifier: Apache-2.0
// Installs the system call filters that tools/seccompile made at build time.  Every process of
// ours, and stage1 for apps. A filter is an array "sandbox/policies/NAME.bpf.h" (kName); libseccomp
// never runs outside the build.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"

namespace airlock::sandbox {

// Applies `filter` to all threads of this process, for good.  Needs no_new_privs (ErrorKind::Denied
// without it) and reads back that a filter is in force.  seccomp(2)
Result<void> installFilter(std::span<const sock_filter> filter);

// The same between fork and exec; false with errno set.  `length` counts instructions.
// async-signal-safe
bool installFilterRaw(const sock_filter* filter, unsigned short length) noexcept;

// Runs the filter on one system call without installing it, as the kernel would: SECCOMP_RET_* |
// data.  nullopt when the program is not one that the kernel would accept (unknown instruction,
// jump out of the program, no return).
std::optional<std::uint32_t> simulate(std::span<const sock_filter> filter,
                                      const seccomp_data& call);

}  // namespace airlock::sandbox
