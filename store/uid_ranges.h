// SPDX-License-Identifier: Apache-2.0
// Which host uids a pod's users are: one range of 65,536 per pod, taken before it starts and given
// back when its files are gone.  The helper takes and returns them.
#pragma once

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "store/pod_dir.h"

namespace airlock::store {

struct UidRange {
  uid_t first;  // the pod's uid 0; the pod's n is first + n, n < limits::kPodUids
};

// Takes a free range for a pod whose directory exists already: E_UIDS when all are taken.
Result<UidRange> takeUidRange(FdRef top, const PodId& pod);
// Nothing happens when the range is not this pod's, or not any more.
Result<void> releaseUidRange(FdRef top, const PodId& pod, UidRange range);
// Gives back what belongs to pods that no longer exist (a crash between the two steps of a
// removal).
Result<void> reconcileUidRanges(FdRef top, const PodDirectory& pods);

}  // namespace airlock::store
