// SPDX-License-Identifier: Apache-2.0
// What the arguments of `app sandbox` and `app add` have beyond those of `run`, and less.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/pod_arguments.h"
#include "cli/pod_flags.h"

namespace airlock::cli {

// --mnt-volume=name=NAME,kind=host|empty,source=PATH,target=PATH[,readOnly=B][,recursive=B]: a
// volume of the app's own.  `pod` outlives the set.
void addAppVolumeFlag(FlagSet& flags, PodArguments& pod);
Result<image::Mount> parseAppVolume(const std::string& text);
// --port of rkt's sandbox has more parts than run's, and neither is forwarded.
void refuseForwarding(FlagSet& flags);

// A sandbox has what a pod has without its apps.
Result<void> checkSandbox(const PodArguments& pod);
// One app, with nothing that is the pod's.  Its caller does not stay: its streams are as with
// --detach.
Result<void> checkAdded(PodArguments& pod);

}  // namespace airlock::cli
