// SPDX-License-Identifier: Apache-2.0
// What an IP socket that somebody has handed over is.  CLI and helper.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::ipc {

struct InetSocket {
  bool datagram = false;
  bool serves = false;     // TCP and listening, or UDP and bound; never true for other protocols
  std::uint16_t port = 0;  // 0: not bound
};
// nullopt for what is no socket, or one of another family than AF_INET and AF_INET6.  Believes the
// kernel alone.
std::optional<InetSocket> inetSocketOf(FdRef fd);
// R13: what crosses is what the spec says it is.  E_FD otherwise.
Result<void> checkSocket(FdRef fd, const SocketSpec& spec);

}  // namespace airlock::ipc
