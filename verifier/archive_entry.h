// SPDX-License-Identifier: Apache-2.0
// What one entry of an archive may be: its path and its attributes.  For the role unpack.
#pragma once

#include <archive_entry.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "verifier/erofs_writer.h"

namespace airlock::verifier {

// A refusal that names the entry.
std::unexpected<Error> refuseEntry(std::string_view code, std::string_view path,
                                   std::string_view why,
                                   std::string hint = "repair the image and sign it again");

// "./a//b/" is a, b; they live as long as `path`.  E_PATH, E_DEPTH: what no path in an image may
// be.
Result<std::vector<std::string_view>> componentsOf(std::string_view path);

// Mode, owner, time and user.* attributes.  E_ID, E_TIME, E_XATTR, E_LIMIT.
Result<Attributes> attributesOf(std::string_view path, archive_entry* entry);

}  // namespace airlock::verifier
