// SPDX-License-Identifier: Apache-2.0
// Foreign bytes as they come, from a pipe or a regular file.  Verifier roles.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::verifier {

// Reads once, front to back.  A regular file is read from its beginning with pread, whatever its
// offset is (the offset belongs to whoever wrote it); a pipe is waited for, limits::kStallSeconds
// at most between two bytes.
class Source {
 public:
  // The descriptor stays the caller's and must outlive this object.
  static Result<Source> from(FdRef fd);
  // Bytes that are here already; they stay the caller's and must outlive this object.
  static Source of(std::string_view bytes);

  // 0 at the end.  E_TIMEOUT when nothing comes.
  Result<std::size_t> read(std::span<std::uint8_t> buffer);
  std::uint64_t consumed() const { return consumed_; }
  // How long it is; nullopt for a pipe.
  std::optional<std::uint64_t> size() const { return size_; }

 private:
  Source(int fd, std::optional<std::uint64_t> size) : fd_(fd), size_(size) {}
  int fd_;
  std::optional<std::uint64_t> size_;
  std::optional<std::string_view> bytes_;  // instead of fd_
  std::uint64_t consumed_ = 0;
};

}  // namespace airlock::verifier
