// SPDX-License-Identifier: Apache-2.0
// Which stage1 a pod gets: ours (decision 0033).  Whoever wants another is told, by flag or by
// configuration.  run, prepare and run-prepared.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"
#include "cli/pod_arguments.h"

namespace airlock::cli {

// Whether a name, path, URL or file name is that of our stage1, or of rkt's whose place it takes.
bool isOurStage1(std::string_view text);

// E_STAGE1: stage1.d names another, and no flag says otherwise.  A pod does not run in something
// else than what the administrator chose.
Result<void> checkStage1(const Options& options, const PodArguments& pod);

}  // namespace airlock::cli
