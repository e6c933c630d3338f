// SPDX-License-Identifier: Apache-2.0
#include "base/local_socket.h"

#include <sys/socket.h>

#include <cstring>

namespace airlock::sys {

Result<sockaddr_un> localAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // With its NUL: a path that fills all of it is one byte too long for some of the kernel's calls.
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorKind::Invalid, path + " is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> connectLocal(const std::string& path, int type) {
  const sockaddr_un address = TRY(localAddress(path));
  Fd socket = Fd::own(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return failErrno("socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failErrno("connect to " + path);
  return socket;
}

}  // namespace airlock::sys
