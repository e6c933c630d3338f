// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/image_accounts.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::stage1 {

namespace {

constexpr std::size_t kAccountFileBytes = limits::kImageAccountsBytes;

bool isDigit(char c) { return c >= '0' && c <= '9'; }

// Exactly the numbers that can be an id in an image: no sign, no leading zero, no overflow
// (CVE-2024-40635).
std::optional<std::uint32_t> exactNumber(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, isDigit)) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value > limits::kImageIdMax) return std::nullopt;
  return value;
}

// useradd(8): a name that begins with a digit would be mistaken for a number somewhere
// (CVE-2016-3697).
bool isAccountName(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (text.empty() || text.size() > limits::kNameBytes || !letter(text.front())) return false;
  if (text.ends_with('$')) text.remove_suffix(1);
  return std::ranges::all_of(
      text, [&](char c) { return letter(c) || isDigit(c) || c == '-' || c == '.'; });
}

// A file of accounts, or nothing when the image has none.  The file is the image's: it may be a
// link, a pipe or huge.
Result<std::string> readAccounts(FdRef root, const char* path) {
  auto file = sys::openInRoot(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!file) {
    if (file.error().number() == ENOENT || file.error().number() == ENOTDIR) return std::string();
    if (file.error().number() == ELOOP) {
      return refuse(ErrorKind::Invalid, "E_TYPE",
                    std::string(path) + " of the image is a symbolic link");
    }
    return std::unexpected(std::move(file.error()));
  }
  if (!S_ISREG(TRY(sys::status(*file)).st_mode)) {
    return refuse(ErrorKind::Invalid, "E_TYPE",
                  std::string(path) + " of the image is not a regular file");
  }
  return inContext(sys::readAll(*file, kAccountFileBytes), std::string(path) + " of the image");
}

std::string_view takeField(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const std::string_view field = rest.substr(0, at);
  rest = at == rest.npos ? std::string_view() : rest.substr(at + 1);
  return field;
}

struct Entry {
  std::string_view name;
  std::uint32_t id;
  std::string_view rest;  // what follows the id
};

// The first entry that `wanted` says yes to.  passwd(5), group(5): name:password:id:…; other lines
// do not count.
template <class Wanted>
std::optional<Entry> findEntry(std::string_view file, Wanted wanted) {
  while (!file.empty()) {
    std::string_view line = takeField(file, '\n');
    const std::string_view name = takeField(line, ':');
    takeField(line, ':');
    const auto id = exactNumber(takeField(line, ':'));
    if (!isAccountName(name) || !id) continue;
    const Entry entry{name, *id, line};
    if (wanted(entry)) return entry;
  }
  return std::nullopt;
}

ImageUser describeUser(const Entry& entry) {
  std::string_view rest = entry.rest;
  takeField(rest, ':');  // gid
  takeField(rest, ':');  // comment
  return {entry.id, std::string(entry.name), std::string(takeField(rest, ':'))};
}

Result<struct stat> ownerOf(FdRef root, std::string_view path, std::string_view code) {
  auto file = sys::openInRoot(root, std::string(path), O_PATH);
  if (!file) {
    return refuse(ErrorKind::Invalid, code,
                  "the owner of " + quoted(path) + " is asked for: " + file.error().message());
  }
  return sys::status(*file);
}

}  // namespace

Result<ImageUser> resolveUser(FdRef root, std::string_view user, bool describe) {
  std::optional<std::uint32_t> uid = exactNumber(user);
  if (user.starts_with('/')) uid = TRY(ownerOf(root, user, "E_USER")).st_uid;
  if (uid && !describe) return ImageUser{*uid, {}, {}};
  if (!uid && !isAccountName(user)) {
    return refuse(
        ErrorKind::Invalid, "E_USER", quoted(user) + " is not a user",
        "Use a number from 0 to 65534, a name in the image's /etc/passwd, or an absolute path");
  }
  auto accounts = readAccounts(root, "/etc/passwd");
  // Only a name depends on the file; for a number it merely tells HOME.
  if (!accounts && uid) return ImageUser{*uid, {}, {}};
  const std::string text = TRY(std::move(accounts));
  const auto entry =
      findEntry(text, [&](const Entry& each) { return uid ? each.id == *uid : each.name == user; });
  if (entry) return describeUser(*entry);
  if (uid) return ImageUser{*uid, {}, {}};
  return refuse(ErrorKind::Invalid, "E_USER", "the image has no user " + quoted(user));
}

namespace {
Result<gid_t> ownGroupOf(FdRef root, std::string_view user) {
  const uid_t uid = TRY(resolveUser(root, user, false)).uid;
  const std::string text = TRY(readAccounts(root, "/etc/passwd"));
  const bool byName = isAccountName(user);
  const auto entry = findEntry(
      text, [&](const Entry& each) { return byName ? each.name == user : each.id == uid; });
  if (!entry) return 0;
  std::string_view rest = entry->rest;
  const auto gid = exactNumber(takeField(rest, ':'));
  if (gid) return *gid;
  return refuse(ErrorKind::Invalid, "E_GROUP",
                "the user " + quoted(user) + " has no group in the image's /etc/passwd");
}
}  // namespace

Result<std::vector<gid_t>> membershipsOf(FdRef root, std::string_view user) {
  const std::string name = TRY(resolveUser(root, user, true)).name;
  std::vector<gid_t> groups;
  if (name.empty()) return groups;
  const std::string text = TRY(readAccounts(root, "/etc/group"));
  findEntry(text, [&](const Entry& each) {
    for (std::string_view rest = each.rest; !rest.empty();) {
      if (takeField(rest, ',') != name) continue;
      groups.push_back(each.id);
      break;
    }
    return groups.size() == limits::kSupplementaryGids;
  });
  return groups;
}

Result<gid_t> resolveGroup(FdRef root, std::string_view group, std::string_view user) {
  if (group == kOwnGroup) return ownGroupOf(root, user);
  if (const auto gid = exactNumber(group)) return *gid;
  if (group.starts_with('/')) return TRY(ownerOf(root, group, "E_GROUP")).st_gid;
  if (!isAccountName(group)) {
    return refuse(
        ErrorKind::Invalid, "E_GROUP", quoted(group) + " is not a group",
        "Use a number from 0 to 65534, a name in the image's /etc/group, or an absolute path");
  }
  const std::string text = TRY(readAccounts(root, "/etc/group"));
  const auto entry = findEntry(text, [&](const Entry& each) { return each.name == group; });
  if (entry) return entry->id;
  return refuse(ErrorKind::Invalid, "E_GROUP", "the image has no group " + quoted(group));
}

}  // namespace airlock::stage1
