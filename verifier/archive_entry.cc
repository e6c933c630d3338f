// SPDX-License-Identifier: Apache-2.0
#include "verifier/archive_entry.h"

#include <archive.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::verifier {

std::unexpected<Error> refuseEntry(std::string_view code, std::string_view path,
                                   std::string_view why, std::string hint) {
  return refuse(ErrorKind::Invalid, code, "archive entry " + quoted(path) + ": " + std::string(why),
                std::move(hint));
}

// "./a//b/" is a, b.  Fails on what no path in an image may be.
Result<std::vector<std::string_view>> componentsOf(const std::string_view whole) {
  std::string_view path = whole;
  if (path.empty()) return refuseEntry("E_PATH", path, "the name is empty");
  if (path.starts_with('/')) return refuseEntry("E_PATH", path, "the name is absolute");
  std::vector<std::string_view> components;
  std::size_t bytes = 0;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return refuseEntry("E_PATH", whole, "the name has a \"..\" in it");
    if (name.size() > limits::kNameBytes) {
      return refuseEntry("E_PATH", whole, "the name is longer than 255 bytes");
    }
    bytes += name.size() + 1;
    components.push_back(name);
  }
  // The first component is rootfs or manifest and is in no path of the tree.
  if (components.size() > limits::kTreeDepth + 1) {
    return refuseEntry("E_DEPTH", whole, "the path has more than 255 components");
  }
  if (!components.empty() && bytes - components[0].size() - 1 > limits::kPathBytes + 1) {
    return refuseEntry("E_PATH", whole, "the path is longer than 4095 bytes");
  }
  return components;
}

namespace {

Result<void> addXattrs(std::string_view path, archive_entry* entry, Attributes& attributes) {
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    const std::string_view full = name == nullptr ? "" : name;
    constexpr std::string_view kUser = "user.";
    if (!full.starts_with(kUser) || full.size() == kUser.size() ||
        full.starts_with("user.overlay.")) {
      return refuseEntry("E_XATTR", path, "it has the extended attribute " + quoted(full),
                         "only user.* attributes, without user.overlay.*, may be in an image");
    }
    if (size > limits::kXattrBytes || full.size() - kUser.size() > limits::kNameBytes) {
      return refuseEntry("E_LIMIT", path, "an extended attribute is too large");
    }
    std::string text(static_cast<const char*>(value), size);
    const auto [place, added] = attributes.userXattrs.emplace(full.substr(kUser.size()), text);
    // bsdtar writes each attribute in two notations.
    if (!added && place->second != text) {
      return refuseEntry("E_XATTR", path, "it has the attribute " + quoted(full) + " twice");
    }
    if (attributes.userXattrs.size() > limits::kXattrsPerFile) {
      return refuseEntry("E_LIMIT", path, "it has too many extended attributes");
    }
  }
  return {};
}

}  // namespace

Result<Attributes> attributesOf(std::string_view path, archive_entry* entry) {
  const auto uid = archive_entry_uid(entry);
  const auto gid = archive_entry_gid(entry);
  if (uid < 0 || uid > limits::kImageIdMax || gid < 0 || gid > limits::kImageIdMax) {
    return refuseEntry("E_ID", path,
                       "it has the owner " + std::to_string(uid) + ":" + std::to_string(gid),
                       "ids in an image go from 0 to " + std::to_string(limits::kImageIdMax));
  }
  const std::int64_t mtime = archive_entry_mtime(entry);
  const long nanoseconds = archive_entry_mtime_nsec(entry);
  if (mtime < 0 || static_cast<std::uint64_t>(mtime) > limits::kTimeMax || nanoseconds < 0 ||
      nanoseconds > 999'999'999) {
    return refuseEntry("E_TIME", path, "its modification time is before 1970 or after 9999");
  }
  Attributes attributes;
  attributes.mode = archive_entry_perm(entry) & 07777;
  attributes.uid = static_cast<std::uint32_t>(uid);
  attributes.gid = static_cast<std::uint32_t>(gid);
  attributes.mtime = static_cast<std::uint64_t>(mtime);
  attributes.mtimeNanoseconds = static_cast<std::uint32_t>(nanoseconds);
  TRY(addXattrs(path, entry, attributes));
  return attributes;
}

}  // namespace airlock::verifier
