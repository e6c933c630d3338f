// SPDX-License-Identifier: Apache-2.0
// Which fields a line of the audit record may have.  The reader only.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"

namespace airlock::audit {

// E_AUDIT_LOG unless the object has every field that a line must have, of its type, and no unknown
// one, on each level; the operation is a known one, and digests, times and numbers are spelled as
// we spell them.
Result<void> checkLine(const nlohmann::json& line);

}  // namespace airlock::audit
