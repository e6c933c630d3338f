// SPDX-License-Identifier: Apache-2.0
// One datagram = one message and its descriptors, over an AF_UNIX SOCK_SEQPACKET socket.  Anyone
// may use it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/fd_table.h"

namespace airlock::ipc {

// The descriptor number on which every program of ours finds its channel.
inline constexpr int kChannelFd = 3;

struct Message {
  std::string bytes;  // at most limits::kMessageBytes; not decoded, not believed
  FdTable fds;
};

class Channel {
 public:
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}

  // At most limits::kMessageBytes and limits::kMessageDescriptors; EPIPE is an error, never a
  // signal.
  Result<void> send(std::string_view bytes, std::span<const FdRef> fds = {});
  // The next message; nullopt when the peer has closed.  E_TIMEOUT after `milliseconds` (-1: for
  // ever). Truncation of bytes or descriptors (MSG_TRUNC, MSG_CTRUNC) is fatal: E_FRAME, everything
  // received is closed.
  Result<std::optional<Message>> receive(int milliseconds);

  FdRef fd() const { return socket_.ref(); }
  Fd take() && { return std::move(socket_); }

 private:
  Fd socket_;
};

}  // namespace airlock::ipc
