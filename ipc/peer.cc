// SPDX-License-Identifier: Apache-2.0
#include "ipc/peer.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

namespace airlock::ipc {

namespace {
constexpr int kPeerPidfdOption = 77;  // SO_PEERPIDFD, asm-generic/socket.h since Linux 6.5

Result<std::vector<gid_t>> peerGroups(FdRef socket) {
  // The size is asked for by offering too little: ERANGE then says how much (socket(7)).
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      return groups;
    }
    if (errno != ERANGE || size / sizeof(gid_t) <= groups.size()) {
      return failErrno("getsockopt SO_PEERGROUPS");
    }
    groups.resize(size / sizeof(gid_t));
  }
}

Result<std::optional<Fd>> peerPidfd(FdRef socket) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (::getsockopt(socket.get(), SOL_SOCKET, kPeerPidfdOption, &fd, &size) == 0) {
    return Fd::own(fd);  // close-on-exec, as every pidfd
  }
  // ENOPROTOOPT: an older kernel.  The others: the process was reaped before we asked, as the
  // kernels of the time say it.
  if (errno == ENOPROTOOPT || errno == ENODATA || errno == ESRCH || errno == EINVAL) {
    return std::nullopt;
  }
  return failErrno("getsockopt SO_PEERPIDFD");
}
}  // namespace

Result<Peer> identifyPeer(FdRef socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return failErrno("getsockopt SO_PEERCRED");
  }
  // The kernel fills in pid 0 and uid -1 for a socket that is not connected, or not of AF_UNIX.
  if (size != sizeof credentials || credentials.uid == static_cast<uid_t>(-1)) {
    return refuse(ErrorKind::Denied, "E_PEER", "the kernel does not know who is at the other end");
  }
  std::vector<gid_t> groups = TRY(peerGroups(socket));
  std::optional<Fd> pidfd = TRY(peerPidfd(socket));
  return Peer{.pid = credentials.pid,
              .uid = credentials.uid,
              .gid = credentials.gid,
              .groups = std::move(groups),
              .pidfd = std::move(pidfd)};
}

}  // namespace airlock::ipc
