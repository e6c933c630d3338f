// SPDX-License-Identifier: Apache-2.0
#include "store/byte_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/fault.h"

namespace airlock::store {

namespace {
constexpr int kQuietMilliseconds = 60'000;  // a peer that sends nothing for this long is gone
}

Result<void> checkSource(FdRef source) {
  const int flags = ::fcntl(source.get(), F_GETFL);
  const mode_t mode = TRY(sys::status(source)).st_mode;
  // O_PATH proves nothing about the right to read, and O_WRONLY cannot be read.
  if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY ||
      !(S_ISREG(mode) || S_ISFIFO(mode))) {
    return refuse(ErrorKind::Invalid, "E_FD",
                  "the image is neither a regular file nor a pipe open for reading");
  }
  return {};
}

Result<void> waitReadable(FdRef fd) {
  pollfd event{fd.get(), POLLIN, 0};
  int ready;
  do {
    ready = ::poll(&event, 1, deadline(kQuietMilliseconds));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return failErrno("poll");
  if (ready == 0)
    return refuse(ErrorKind::Failed, "E_TIMEOUT", "the other side sent nothing for a minute");
  return {};
}

Result<void> feed(FdRef pipe, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(pipe.get(), bytes.data(), bytes.size());
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return failErrno("write");
    pollfd event{pipe.get(), POLLOUT, 0};
    if (::poll(&event, 1, deadline(kRoleMilliseconds)) == 0) {
      return refuse(ErrorKind::Failed, "E_TIMEOUT", "the unpack process does not go on reading");
    }
  }
  return {};
}

Result<Fd> readOnly(FdRef file) { return sys::reopen(file, O_RDONLY); }

}  // namespace airlock::store
