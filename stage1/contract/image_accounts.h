// SPDX-License-Identifier: Apache-2.0
// Users and groups as an image names them, from that image's own files and by our own parser:
// nothing of an image is ever loaded as code to resolve a name (test R08).  Every stage1 flavour.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::stage1 {

// Instead of a group: the user's own ones.
inline constexpr std::string_view kOwnGroup = "@user";

struct ImageUser {
  uid_t uid = 0;
  std::string name;  // of the entry in /etc/passwd with this uid; empty when there is none
  std::string home;
};

// `user`: a decimal number without leading zeros and at most limits::kImageIdMax; or a name in
// /etc/passwd of the image; or "/path", whose owner is meant.  Everything else is E_USER, never uid
// 0 (R09). `root` is the image's root, `describe` whether name and home are wanted for a number
// too.
Result<ImageUser> resolveUser(FdRef root, std::string_view user, bool describe);
// The same for a group, by /etc/group; E_GROUP.  "@user" is the own group of `user` in /etc/passwd,
// 0 when it has no entry there: what Docker's images mean by a user without a group.
Result<gid_t> resolveGroup(FdRef root, std::string_view group, std::string_view user);
// The groups that "@user" brings along: those of /etc/group that name the user as a member, at most
// limits::kSupplementaryGids.
Result<std::vector<gid_t>> membershipsOf(FdRef root, std::string_view user);

}  // namespace airlock::stage1
