// SPDX-License-Identifier: Apache-2.0
// A pod that goes on without its caller's terminal: a small process of the caller holds the leash
// (docs/decisions/0029).  run.
#pragma once

#include <optional>
#include <variant>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"

namespace airlock::cli {

// In the process that holds the leash: a session of its own, without the caller's descriptors but
// standard output and error, which are for what goes wrong until the pod is ready.
class DetachedHolder {
 public:
  explicit DetachedHolder(Fd caller) : caller_(std::move(caller)) {}
  // Tells the caller, who then ends with success, and lets go of the caller's streams.
  void podIsReady(const PodId& pod);

 private:
  Fd caller_;
};

// Forks.  In the holder: the object to tell.  In the caller: the exit code, when the pod is ready
// (its UUID has been printed) or its start has failed (the holder has said why).  To be called
// before anything is asked of the helper: whoever asks is the pod's parent.
Result<std::variant<DetachedHolder, int>> detach();

}  // namespace airlock::cli
