// SPDX-License-Identifier: Apache-2.0
// The directories of a pod that its processes write in: made as the pod's, in its uid range and
// with its SELinux categories.  Helper only.
#pragma once

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/pod_spec.h"
#include "store/pod_label.h"
#include "store/uid_ranges.h"

namespace airlock::store {

struct PodPlace {
  FdRef dir;
  UidRange range;
  const PodLabel& label;
};

// upper/<app>, with `fs` for what the app writes, its root directory, and overlayfs's `work`.
Result<Fd> makeUpper(const PodPlace& place, const AppName& app);
// status, where stage1 writes how its apps ended.
Result<Fd> makeStatusDirectory(const PodPlace& place);
// volumes/<name>, with the owner and mode that were asked for.
Result<Fd> makeVolume(const PodPlace& place, const ipc::VolumeSpec& volume);

}  // namespace airlock::store
