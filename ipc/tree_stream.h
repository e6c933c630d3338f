// SPDX-License-Identifier: Apache-2.0
// A tree of files as a stream: what the role extract writes, and whoever asked for it reads.  The
// reader takes it for hostile: paths lead nowhere but below, and every number has its limit.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/path.h"
#include "base/result.h"

namespace airlock::ipc {

// On the pipe: a header of 48 bytes (little-endian: kind u8, 0 u8, path bytes u16, target bytes
// u16, mode u16, uid u32, gid u32, mtime u64, nanoseconds u32, attribute bytes u32, size u64, 0
// u64), the path, the target, the attributes (each: name bytes u8, value bytes u16, name, value),
// and for a file its content.  Directories come before what is in them, a file before the links to
// it.  After the last entry comes a header with kind End.
struct TreeEntry {
  enum class Kind : std::uint8_t { End, Directory, File, Symlink, HardLink };
  Kind kind = Kind::Directory;
  std::string path;  // relative to the root of the tree; "" for the root alone, which is the first
  std::string target;      // of a Symlink: any text; of a HardLink: the path of a file before it
  std::uint32_t mode = 0;  // the twelve permission bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t mtime = 0;  // seconds since 1970
  std::uint32_t mtimeNanoseconds = 0;
  std::uint64_t size = 0;  // of a File
  // Of a Directory or File: extended attributes of the class user, their names without "user.".
  std::vector<std::pair<std::string, std::string>> attributes = {};
};
std::string encodeTreeEntry(const TreeEntry& entry);

class TreeStreamReader {
 public:
  explicit TreeStreamReader(FdRef pipe) : pipe_(pipe) {}

  // The next entry; none at the end.  The content of a File must be taken before the next call.
  // E_TREE: something that no tree of ours has; E_TIMEOUT: nothing comes.
  Result<std::optional<TreeEntry>> next();
  Result<void> content(const TreeEntry& file,
                       const std::function<Result<void>(std::span<const std::uint8_t>)>& use);

 private:
  Result<void> fill(std::span<std::uint8_t> bytes);
  FdRef pipe_;
  std::uint64_t entries_ = 0;
};

}  // namespace airlock::ipc
