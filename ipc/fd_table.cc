// SPDX-License-Identifier: Apache-2.0
#include "ipc/fd_table.h"

#include <string>
#include <utility>

namespace airlock::ipc {

FdTable::FdTable(std::vector<Fd> fds) {
  slots_.reserve(fds.size());
  for (Fd& fd : fds) slots_.emplace_back(std::move(fd));
}

Result<Fd> FdTable::take(std::size_t index) {
  if (index >= slots_.size()) {
    return refuse(ErrorKind::Invalid, "E_FD",
                  "descriptor " + std::to_string(index) + " did not come with the message");
  }
  if (!slots_[index]) {
    return refuse(ErrorKind::Invalid, "E_FD",
                  "descriptor " + std::to_string(index) + " was taken before");
  }
  Fd fd = std::move(*slots_[index]);
  slots_[index].reset();
  return fd;
}

Result<void> FdTable::expect(std::size_t count) const {
  if (slots_.size() == count) return {};
  return refuse(ErrorKind::Invalid, "E_FD",
                "the message brought " + std::to_string(slots_.size()) + " descriptors, not " +
                    std::to_string(count));
}

}  // namespace airlock::ipc
