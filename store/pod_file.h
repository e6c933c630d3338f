// SPDX-License-Identifier: Apache-2.0
// Reading back what the helper itself has written about a pod.  Helper only.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "store/pod_dir.h"

namespace airlock::store {

// A pidfd of the pod's PID 1, certain to be that process: E_NOT_RUNNING when it has ended.
Result<Fd> openPodProcess(const Pod& pod);
// The spec that the pod was started with, as its sealed bytes.
Result<std::string> readSpec(const Pod& pod);
// Gives back the uid range and the SELinux categories of a pod whose files are gone.
Result<void> releaseNumbers(FdRef top, const ipc::PodRecord& record);
// What a crash between two steps left: embryos nobody holds, uid ranges and categories of pods that
// are gone.
Result<void> sweepLeftovers(FdRef top, const PodDirectory& pods);

}  // namespace airlock::store
