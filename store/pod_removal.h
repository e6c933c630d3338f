// SPDX-License-Identifier: Apache-2.0
// The end of pods whose processes are gone: marked, and taken away after a time.  Helper only.
#pragma once

#include <functional>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/helper_messages.h"
#include "store/pod_dir.h"

namespace airlock::store {

// Its cgroup, with what is left in it, its directory, its numbers and its name.
Result<void> removePod(FdRef top, const PodDirectory& pods, const Pod& pod);

// Whether policy lets the caller at this pod.
using MayCollect = std::function<bool(const Pod&)>;
// What `gc` does.  One pod that cannot be moved or removed does not keep the others.
Result<ipc::Collected> collectPods(FdRef top, const PodDirectory& pods,
                                   const ipc::CollectGarbageRequest& request,
                                   const MayCollect& mayTouch);

}  // namespace airlock::store
