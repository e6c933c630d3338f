// SPDX-License-Identifier: Apache-2.0
// What each role of airlock-verify may touch, and what it does.  verifier/main.cc, and tests of the
// confinement.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/fd_table.h"
#include "ipc/verify_messages.h"

namespace airlock::verifier {

enum class Role { Authenticate, Describe, Inflate, Unpack, Check, Extract, InspectKey };

// "authenticate", "describe", "inflate", "unpack", "check", "extract", "inspect-key": argv[1], for
// ps.
std::string_view roleName(Role role);
std::optional<Role> parseRole(std::string_view name);
// The role that a job is for.
Role roleOf(const ipc::VerifyJob& job);
// How many descriptors come with a job.
std::size_t descriptorsOf(const ipc::VerifyJob& job);

// Confines this process for `role`, for good; `keep` are the descriptors that stay open.  Nothing
// foreign was read before.  E_SANDBOX when a layer that the role stands on is missing: seccomp,
// no_new_privs and empty capability sets for all; the private root for those that keep a file
// system.  Landlock is used where the kernel has it. The private root of the other roles is one
// more layer over Landlock and a filter without open, so a host that does not permit it is no
// error.
Result<void> confine(Role role, std::span<const int> keep);

// Does the job.  A Failure is the answer for input that is refused as well as for what goes wrong.
ipc::VerifyReply perform(const ipc::VerifyJob& job, ipc::FdTable& fds);

}  // namespace airlock::verifier
