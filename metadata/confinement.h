// SPDX-License-Identifier: Apache-2.0
// What airlock-metadata keeps once its sockets listen.  The metadata service only.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace airlock::metadata {

inline constexpr std::string_view kUser = "airlock-metadata";

// Becomes that user when it is root, and confines the process for good: no file by name, no new
// socket but those that it accepts, no process, no signal.  Before the first byte of a client.
Result<void> confine(std::vector<int> keep);

}  // namespace airlock::metadata
