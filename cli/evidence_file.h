// SPDX-License-Identifier: Apache-2.0
// EvidenceFiles in one file: an uncompressed ustar archive of plain files, the same bytes for the
// same members.  CLI only.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::cli {

// By name: "events.cel", "images/<id>/manifest" (docs/measurement.md).
using EvidenceFiles = std::map<std::string, std::string>;

// Into a new file, or over one with `overwrite`; "-" is stdout.  E_ARCHIVE: a name that ustar
// cannot hold.
Result<void> writeEvidence(const EvidenceFiles& evidence, const std::string& path, bool overwrite);
// A whole new file of this content, or none.
Result<void> writeNewFile(const std::string& path, std::string_view content, bool overwrite);

}  // namespace airlock::cli
