// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/start_time.h"

#include <fcntl.h>

#include <charconv>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::helper {

Result<std::uint64_t> startTimeOf(pid_t pid) {
  const Fd file = TRY(sys::openPath("/proc/" + std::to_string(pid) + "/stat", O_RDONLY));
  const std::string text = TRY(sys::readAll(file, limits::kTextBytes));
  // The name in field 2 may hold anything, a ')' too; the fields after the last one are numbers.
  std::size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != text.npos; ++field) at = text.find(' ', at + 1);
  std::uint64_t ticks = 0;
  if (at == text.npos ||
      std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks).ec != std::errc()) {
    return fail(ErrorKind::Failed, "the start time of a process cannot be read");
  }
  return ticks;
}

Result<std::vector<gid_t>> groupsOf(uid_t uid) {
  const auto user = TRY(findUser(userName(uid)));
  std::vector<gid_t> groups;
  if (user) groups.push_back(user->gid);
  const auto named = TRY(groupsListing(userName(uid)));
  groups.insert(groups.end(), named.begin(), named.end());
  return groups;
}

}  // namespace airlock::helper
