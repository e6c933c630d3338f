// SPDX-License-Identifier: Apache-2.0
#include "verifier/source.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::verifier {

Result<Source> Source::from(FdRef fd) {
  const struct stat info = TRY(sys::status(fd));
  if (S_ISREG(info.st_mode)) return Source(fd.get(), static_cast<std::uint64_t>(info.st_size));
  if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)) return Source(fd.get(), std::nullopt);
  return refuse(ErrorKind::Invalid, "E_FD",
                "bytes can be read only from a file, a pipe or a socket");
}

Source Source::of(std::string_view bytes) {
  Source source(-1, bytes.size());
  source.bytes_ = bytes;
  return source;
}

Result<std::size_t> Source::read(std::span<std::uint8_t> buffer) {
  if (bytes_) {
    const std::string_view piece = bytes_->substr(consumed_, buffer.size());
    std::ranges::copy(piece, buffer.begin());
    consumed_ += piece.size();
    return piece.size();
  }
  for (;;) {
    ssize_t got;
    if (size_) {
      got = ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(consumed_));
    } else {
      pollfd event{fd_, POLLIN, 0};
      const int ready = ::poll(&event, 1, limits::kStallSeconds * 1000);
      if (ready == 0) {
        return refuse(ErrorKind::Failed, "E_TIMEOUT",
                      "nothing came for " + std::to_string(limits::kStallSeconds) + " seconds");
      }
      got = ready < 0 ? -1 : ::read(fd_, buffer.data(), buffer.size());
    }
    if (got >= 0) {
      consumed_ += static_cast<std::uint64_t>(got);
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR && errno != EAGAIN) return failErrno("read");
  }
}

}  // namespace airlock::verifier
