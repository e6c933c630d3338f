// SPDX-License-Identifier: Apache-2.0
// What airlock-attest gives up before it looks at anything.  Its main(), and the probe of its test.
#pragma once

#include <vector>

#include "base/result.h"

namespace airlock::attest {

// `keep`: the descriptors that the job came with.
Result<void> confine(std::vector<int> keep);

}  // namespace airlock::attest
