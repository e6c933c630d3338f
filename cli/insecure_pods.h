// SPDX-License-Identifier: Apache-2.0
// Which weakenings are in force: `airlock status --insecure`.  The pod commands.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace airlock::cli {

// Of the pods that run, or of these; what everyone may see of them, and where this user may read
// the audit record what it says of their start.
Result<int> showInsecure(const Options& options, const std::vector<std::string>& pods);

}  // namespace airlock::cli
