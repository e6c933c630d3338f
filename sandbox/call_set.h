// SPDX-License-Identifier: Apache-2.0
// Filters made at run time from lists of call names: the seccomp isolators of an image or an
// operator.  stage1. They stand on top of policies::kPod and can only take away: the kernel obeys
// the strictest of all filters.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace airlock::sandbox {

// The number of a call on this architecture; nullopt for names that it does not have.
std::optional<int> callNumber(std::string_view name);

// What happens to a call that is taken away: SECCOMP_RET_KILL_PROCESS (rkt's default), or
// SECCOMP_RET_ERRNO | number.
using CallAction = std::uint32_t;

// os/linux/seccomp-remove-set: the named calls are answered with `action`.  Names that this
// architecture does not have are passed over, as rkt does.
Result<std::vector<sock_filter>> removeCalls(std::span<const std::string> names, CallAction action);

// os/linux/seccomp-retain-set: every known call but the named ones is answered with `action`.
// Always stay: execve, execveat, exit, exit_group, rt_sigreturn, restart_syscall (without them no
// program starts or ends), and clone3 and unknown numbers, which policies::kPod answers with ENOSYS
// (the newest filter's errno would hide that).
Result<std::vector<sock_filter>> retainCalls(std::span<const std::string> names, CallAction action);

}  // namespace airlock::sandbox
