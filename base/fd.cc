// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace airlock {

FdRef currentDirectory() { return FdRef(AT_FDCWD); }

void Fd::reset() {
  // close(2) releases the descriptor even when it reports EINTR or EIO.
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace airlock
