// SPDX-License-Identifier: Apache-2.0
// What a command leaves for somebody else: a whole file or directory of a name that was free, or
// nothing.  CLI only.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::cli {

// By name: "events.cel", "images/<id>/manifest" (docs/measurement.md).
using EvidenceFiles = std::map<std::string, std::string>;

enum class IfThere { Refuse, Overwrite };  // E_EXISTS; or the new one in the old one's place
inline constexpr mode_t kForAll = 0644;
inline constexpr mode_t kForOwner = 0600;

// An uncompressed ustar archive of plain files, the same bytes for the same members; "-" is stdout.
// E_ARCHIVE: a name that ustar cannot hold.
Result<void> writeEvidence(const EvidenceFiles& evidence, const std::string& path, IfThere ifThere);
// A file of this content; "-" is stdout.
Result<void> writeNewFile(const std::string& path, std::string_view content,
                          IfThere ifThere = IfThere::Refuse, mode_t mode = kForAll);
// Each of them into a new directory, or an empty one.  E_EXISTS for any other: what is old must not
// pass for new.
Result<void> writeFiles(const std::string& directory, const EvidenceFiles& files);

}  // namespace airlock::cli
