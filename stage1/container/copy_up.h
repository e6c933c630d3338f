// SPDX-License-Identifier: Apache-2.0
// What an image has where an empty volume goes: the volume begins as a copy of it, owners
// included.  The run side of the container flavour.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

// `place` is the directory of the app's root that the volume, an empty directory, will cover.  An
// owner or mode that was asked for stays.  Nothing else writes to either meanwhile: no app runs.
// Files with two names become two; what is neither file, directory nor link stays behind.
Result<void> copyUp(FdRef place, FdRef volume, const ipc::VolumeSpec& spec);

}  // namespace airlock::stage1
