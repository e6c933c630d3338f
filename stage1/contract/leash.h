// SPDX-License-Identifier: Apache-2.0
// The socket between a pod and whoever holds it: events up, commands down, its end means "stop".
// Every stage1 flavour.
#pragma once

#include <optional>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

class Leash {
 public:
  explicit Leash(Fd socket) : socket_(std::move(socket)) {}

  // Never blocks and never fails: a holder that does not read, or is gone, must not keep a pod from
  // ending. False when the event was not taken.
  bool send(const ipc::LeashEvent& event);
  // An event with one descriptor, which the holder gets its own copy of.
  bool send(const ipc::LeashEvent& event, FdRef descriptor);

  enum class Input { Nothing, Command, Closed };
  // What has arrived, without waiting.  Closed: the holder is gone.  A message that does not decode
  // counts as nothing.
  Input receive(ipc::LeashCommand& command);

  FdRef socket() const { return socket_.ref(); }

 private:
  Fd socket_;
};

}  // namespace airlock::stage1
