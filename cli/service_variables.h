// SPDX-License-Identifier: Apache-2.0
// What a service manager hands to the process that it starts.  run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/inet_socket.h"

namespace airlock::cli {

// One of sd_listen_fds(3).
struct PassedSocket {
  Fd fd;
  std::string name;                     // of LISTEN_FDNAMES
  std::optional<ipc::InetSocket> kind;  // nothing: no IP socket
};

struct ServiceVariables {
  std::string notifySocket;                // "/path", "@abstract" or nothing; sd_notify(3)
  std::uint64_t watchdogMicroseconds = 0;  // sd_watchdog_enabled(3)
  std::vector<PassedSocket> sockets;
  std::string journalStream;  // "DEVICE:INODE"; systemd.exec(5)
};

// Takes them out of the environment, too: they are meant for this process and for nothing that it
// starts. E_SOCKET when descriptors are announced that are not there.  Before any other descriptor
// is opened.
Result<ServiceVariables> takeServiceVariables();

}  // namespace airlock::cli
