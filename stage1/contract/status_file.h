// SPDX-License-Identifier: Apache-2.0
// How an app ended, kept in the pod's directory for `airlock status`.  Every stage1 flavour.
#pragma once

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"

namespace airlock::stage1 {

// Writes "<code>\n", or "<code> oom-killed\n", as the file `app` of `statusDir`, all at once: a
// reader sees nothing or the whole. Not synced: the directory lives as long as the pod's run state
// does.
Result<void> writeStatus(FdRef statusDir, const AppName& app, int code, bool oomKilled);

// Leaves the file ".ready": every app of the pod has been exec'ed.
Result<void> markReady(FdRef statusDir);

}  // namespace airlock::stage1
