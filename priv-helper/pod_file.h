// SPDX-License-Identifier: Apache-2.0
// Reading back what the helper itself has written about a pod.  Helper only.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"
#include "priv-helper/server.h"
#include "store/pod_dir.h"

namespace airlock::helper {

// A pidfd of the pod's PID 1, certain to be that process: E_NOT_RUNNING when it has ended.
Result<Fd> openPodProcess(const store::Pod& pod);
// The spec that the pod was started with, as its sealed bytes.
Result<std::string> readSpec(const store::Pod& pod);
// What a crash between two steps left: embryos nobody holds, uid ranges of pods that are gone.
Result<void> sweepLeftovers(Server& server);

}  // namespace airlock::helper
