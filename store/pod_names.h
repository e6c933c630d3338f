// SPDX-License-Identifier: Apache-2.0
// Names that people give to pods, each to one pod at a time.  The helper gives and takes them;
// everyone may look one up.
#pragma once

#include <optional>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "store/pod_dir.h"

namespace airlock::store {

// For a pod whose directory exists already.  E_NAME_TAKEN when a pod that exists has it;
// E_NAME when it could be taken for a UUID.
Result<void> takePodName(FdRef top, const PodDirectory& pods, const PodId& pod,
                         const AppName& name);
// Nothing happens when the name ("": none) is not this pod's, or not any more.
Result<void> releasePodName(FdRef top, const PodId& pod, const std::string& name);
// Gives back what belongs to pods that no longer exist.
Result<void> reconcilePodNames(FdRef top, const PodDirectory& pods);
// The pod of this name; whether it still exists is for the caller to see.
Result<std::optional<PodId>> podOfName(FdRef top, const AppName& name);

}  // namespace airlock::store
