// SPDX-License-Identifier: Apache-2.0
// Holding a pod's leash: from Started or Entered to the exit code.  run and enter.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "cli/notifier.h"
#include "ipc/channel.h"

namespace airlock::cli {

// INT, TERM, HUP, QUIT, WINCH, CONT and PIPE come through a descriptor from construction on; as
// before after destruction.
class StopSignals {
 public:
  static Result<StopSignals> block();
  StopSignals(StopSignals&& other) noexcept;
  StopSignals& operator=(StopSignals&&) = delete;
  ~StopSignals();
  FdRef fd() const { return fd_.ref(); }

 private:
  explicit StopSignals(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

struct Attachment {
  FdRef process;  // pidfd of the pod's PID 1, or of the entering process
  FdRef signals;  // of StopSignals
  FdRef input;    // the caller's terminal or pipe; only read when the pod has a terminal of its own
  FdRef output;
  bool terminal = false;         // the pod was asked for a terminal
  bool escape = false;           // it has none, and ours is watched for the escape
  Notifier* notifier = nullptr;  // who is told how the pod is; nobody without one
  std::function<void()> onReady = {};
};

struct Ending {
  int code = 0;         // of the pod, or 128 + signal
  bool killed = false;  // it did not get to say how it ended, or the escape was typed
  bool told = false;    // we were told TERM
};

// Serves the leash until the pod has ended and (when it is our child) been reaped.  The first
// signal asks the pod to stop, a second one to be quick.  A set-up that failed is the error, in the
// pod's words.
Result<Ending> holdLeash(const Attachment& attachment, ipc::Channel& leash);

// The exit code of `airlock run` or `enter`.  Does not return when TERM came to us and ended what
// we held: then TERM ends us too, which a shell sees as the same 143, and systemd as a clean stop.
int exitAs(const Ending& ending);

}  // namespace airlock::cli
