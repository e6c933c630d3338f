// SPDX-License-Identifier: Apache-2.0
// A file tree as an image: the manifest, then everything below the root, as a compressed tar.
// airlock-pack.
#pragma once

#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::verifier {

// Owners, modes and times are those that this process sees; of extended attributes user.* and
// security.capability count.  Sockets and devices are left out.  `root` is a directory; nothing
// outside of it is opened.
Result<void> packImage(FdRef root, std::string_view manifest, FdRef archive);

}  // namespace airlock::verifier
