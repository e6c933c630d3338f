// SPDX-License-Identifier: Apache-2.0
// The descriptors that came with one message, each taken exactly once.  Anyone may use it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::ipc {

class FdTable {
 public:
  FdTable() = default;
  explicit FdTable(std::vector<Fd> fds);

  std::size_t size() const { return slots_.size(); }
  // E_FD when the index is out of range or was taken before.
  Result<Fd> take(std::size_t index);
  // E_FD unless the message brought exactly `count` descriptors (test I05: extra ones are an error,
  // and closed).
  Result<void> expect(std::size_t count) const;

 private:
  std::vector<std::optional<Fd>> slots_;
};

}  // namespace airlock::ipc
