// SPDX-License-Identifier: Apache-2.0
// Flags that say something about a pod without changing what its apps may do: ports, annotations
// and labels, its name, and rkt's choices of which there is one here.  run and prepare.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/pod_arguments.h"
#include "cli/pod_flags.h"

namespace airlock::cli {

// --annotation, --user-annotation and --user-label, of the image before them, or of the pod;
// --port and --pod-name.  `pod` outlives the set.
void addDeclarations(FlagSet& flags, PodArguments& pod);
// --stage1-…, --no-overlay, --private-users: accepted where they name what is done anyway.
void addChoices(FlagSet& flags, PodArguments& pod);
// --ipc.
void addIpcFlag(FlagSet& flags);

// "NAME:[HOSTIP:]HOSTPORT"; an IPv6 address stands in brackets.
Result<image::ExposedPort> parsePort(const std::string& text);

}  // namespace airlock::cli
