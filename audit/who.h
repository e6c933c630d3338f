// SPDX-License-Identifier: Apache-2.0
// Who asked: what the kernel says of the process at the other end of a connection.  The helper.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "ipc/peer.h"

namespace airlock::audit {

struct Who {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::optional<std::uint32_t> loginUid;  // who logged in, whatever they became: audit's auid
  std::optional<std::uint32_t> session;   // of audit
  std::string selinux;                    // label; "" where SELinux is off
};

// The log-in is read of the process by its number: it is left out unless the pidfd, where the
// kernel has one of the peer, says afterwards that the number was still its own; before Linux 6.5,
// unless that process has the peer's user.
Who identify(const ipc::Peer& peer, FdRef socket);

}  // namespace airlock::audit
