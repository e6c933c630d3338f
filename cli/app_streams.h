// SPDX-License-Identifier: Apache-2.0
// Streams that a single app has of its own: what its --journal means.  run.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cli/pod_arguments.h"
#include "cli/pod_request.h"

namespace airlock::cli {

// Says in the request which streams are the apps' own, and returns them in the order of a
// RunRequest. "auto": what goes to the journal goes there under the name of each app; where that
// cannot be had, they share our streams.  A namespace: its journal becomes the pod's, too.
Result<std::vector<Fd>> openAppStreams(const PodArguments& wanted, const std::string& journalStream,
                                       PodRequest& request);

}  // namespace airlock::cli
