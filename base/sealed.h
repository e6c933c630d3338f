// SPDX-License-Identifier: Apache-2.0
// Bytes that nobody can change any more: a memfd with its four seals.  Anyone may use it.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock {

class Sealed {
 public:
  // A new memfd with this content, sealed against write, grow, shrink and further seals.
  static Result<Sealed> make(const char* debugName, std::string_view content);
  // Takes a descriptor from somebody else; refused unless it is a memfd with all four seals and at
  // most `limit` bytes.
  static Result<Sealed> check(Fd fd, std::size_t limit);

  Result<std::string> read() const;
  std::size_t size() const { return size_; }
  FdRef fd() const { return fd_.ref(); }
  Fd take() && { return std::move(fd_); }

 private:
  Sealed(Fd fd, std::size_t size) : fd_(std::move(fd)), size_(size) {}
  Fd fd_;
  std::size_t size_;
};

}  // namespace airlock
