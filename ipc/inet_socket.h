// SPDX-License-Identifier: Apache-2.0
// What an IP socket that somebody has handed over is.  CLI and helper.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.h"

namespace airlock::ipc {

struct InetSocket {
  bool datagram = false;
  bool serves = false;     // TCP and listening, or UDP and bound; never true for other protocols
  std::uint16_t port = 0;  // 0: not bound
};
// nullopt for what is no socket, or one of another family than AF_INET and AF_INET6.  Believes the
// kernel alone.
std::optional<InetSocket> inetSocketOf(FdRef fd);

}  // namespace airlock::ipc
