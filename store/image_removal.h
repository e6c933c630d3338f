// SPDX-License-Identifier: Apache-2.0
// The end of images: one by one, or those that nobody has used for a while.  The store's owner.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "ipc/helper_messages.h"
#include "ipc/records.h"
#include "store/pod_dir.h"
#include "store/store.h"

namespace airlock::store {

// Takes an image away.  E_IN_USE: a pod uses it, which runs or is prepared.  One that has exited
// keeps none: all that is left of it can be told without.
Result<void> removeImage(const Store& store, const PodDirectory& pods, const ImageId& image);

// Takes away what was not used within the grace period, is used by no such pod and by no image
// that stays, and what `mayRemove` lets.  No more than limits::kCollectedImages at a time.
using MayRemove = std::function<bool(const ipc::CatalogRecord&)>;
Result<ipc::ImagesCollected> collectImages(const Store& store, const PodDirectory& pods,
                                           std::uint64_t graceSeconds, const MayRemove& mayRemove);

}  // namespace airlock::store
