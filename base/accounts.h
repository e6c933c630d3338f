// SPDX-License-Identifier: Apache-2.0
// System users and groups by name, from /etc/passwd and /etc/group alone: static programs cannot
// load NSS modules, and privileged ones must not (test R08).  Anyone may use it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace airlock {

// Decimal digits and nothing else, within 32 bits.
std::optional<unsigned> parseNumber(std::string_view text);

struct Account {
  uid_t uid;
  gid_t gid;
};
// std::nullopt: no such user.  The files are root's, so a line that does not parse is skipped, as
// glibc does.
Result<std::optional<Account>> findUser(std::string_view name);
Result<std::optional<gid_t>> findGroup(std::string_view name);
// The groups whose member list in /etc/group has this name.
Result<std::vector<gid_t>> groupsListing(std::string_view userName);
// Primary group and those.
Result<std::vector<gid_t>> groupsOf(uid_t uid);
// The name of a uid for messages; its number when there is none.
std::string userName(uid_t uid);

// The users that our processes run as (packaging/sysusers.d); a missing one is an error that says
// how to make it.
inline constexpr std::string_view kFetchUser = "airlock-fetch";
inline constexpr std::string_view kVerifyUser = "airlock-verify";
inline constexpr std::string_view kMeasureUser = "airlock-tpm";
// Who may read the audit record.
inline constexpr std::string_view kAuditGroup = "airlock-audit";
Result<Account> requireUser(std::string_view name);

}  // namespace airlock
