// SPDX-License-Identifier: Apache-2.0
#include "base/accounts.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock {

std::optional<unsigned> parseNumber(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == text.npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// Calls `use` with the fields of each line until it returns true.
template <class Use>
Result<void> eachLine(const char* file, Use use) {
  Fd fd = TRY(sys::openPath(file, O_RDONLY));
  const std::string content = TRY(sys::readAll(fd, 16 * limits::MiB));
  for (const std::string_view line : split(content, '\n')) {
    if (use(split(line, ':'))) break;
  }
  return {};
}

}  // namespace

Result<std::optional<Account>> findUser(std::string_view name) {
  std::optional<Account> found;
  TRY(eachLine("/etc/passwd", [&](const std::vector<std::string_view>& fields) {
    if (fields.size() < 4 || fields[0] != name) return false;
    const auto uid = parseNumber(fields[2]);
    const auto gid = parseNumber(fields[3]);
    if (uid && gid) found = Account{*uid, *gid};
    return found.has_value();
  }));
  return found;
}

Result<std::optional<gid_t>> findGroup(std::string_view name) {
  std::optional<gid_t> found;
  TRY(eachLine("/etc/group", [&](const std::vector<std::string_view>& fields) {
    if (fields.size() < 3 || fields[0] != name) return false;
    if (const auto gid = parseNumber(fields[2])) found = *gid;
    return found.has_value();
  }));
  return found;
}

Result<std::vector<gid_t>> groupsListing(std::string_view userName) {
  std::vector<gid_t> groups;
  TRY(eachLine("/etc/group", [&](const std::vector<std::string_view>& fields) {
    if (fields.size() < 4) return false;
    const auto gid = parseNumber(fields[2]);
    const auto members = split(fields[3], ',');
    if (gid && std::ranges::find(members, userName) != members.end()) groups.push_back(*gid);
    return false;
  }));
  return groups;
}

Result<std::vector<gid_t>> groupsOf(uid_t uid) {
  const auto user = TRY(findUser(userName(uid)));
  std::vector<gid_t> groups;
  if (user) groups.push_back(user->gid);
  const auto named = TRY(groupsListing(userName(uid)));
  groups.insert(groups.end(), named.begin(), named.end());
  return groups;
}

std::string userName(uid_t uid) {
  std::string name = std::to_string(uid);
  static_cast<void>(eachLine("/etc/passwd", [&](const std::vector<std::string_view>& fields) {
    if (fields.size() < 4 || parseNumber(fields[2]) != uid) return false;
    name = fields[0];
    return true;
  }));
  return name;
}

Result<Account> requireUser(std::string_view name) {
  if (const auto account = TRY(findUser(name))) return *account;
  return refuse(
      ErrorKind::Missing, "E_ACCOUNT", "the system user " + std::string(name) + " does not exist",
      "Make it with: systemd-sysusers airlock.conf, or tools/create-users in the source tree");
}

}  // namespace airlock
