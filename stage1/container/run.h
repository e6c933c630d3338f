// SPDX-License-Identifier: Apache-2.0
// The three entry points of the container flavour, called from main() only.
#pragma once

#include "base/result.h"

namespace airlock::stage1 {

// The exit code of a stage1 that could not start what it was to start; the reason is on the leash.
inline constexpr int kFailedCode = 254;

// PID 1 of a pod: sets it up, starts its apps, waits.  Returns the pod's exit code.
int runPod();
// An app more in a running sandbox: sets it up, starts it, waits.  Returns its exit code.
int runAddedApp();
// A process more in a running pod: the same confinement, another program.  Returns its exit code.
int enterPod();

}  // namespace airlock::stage1
