// SPDX-License-Identifier: Apache-2.0
// The caller's side of a connection to streams that a pod's PID 1 keeps.  attach.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {

struct AttachedStreams {
  ipc::AttachSpec wanted;
  bool terminal = false;  // they are a pseudo terminal: ours becomes raw
  bool passEnd = false;   // the end of our input becomes the app's
};
// Copies until the app's streams end, or the escape (^] three times) is typed: 0.  E_ATTACH when
// the pod has given the connection up, because we did not read.
Result<int> relayAttached(Fd connection, const AttachedStreams& streams);

}  // namespace airlock::cli
