// SPDX-License-Identifier: Apache-2.0
// Who is at the other end of a socket, as the kernel says.  Helper, and the CLI for checking that
// it talks to root.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::ipc {

struct Peer {
  pid_t pid;
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;  // SO_PEERGROUPS
  std::optional<Fd> pidfd;    // SO_PEERPIDFD, Linux 6.5 and later
};

// SO_PEERCRED and SO_PEERGROUPS of a connected AF_UNIX socket: those of the process that connected
// (or made the pair).
Result<Peer> identifyPeer(FdRef socket);

}  // namespace airlock::ipc
