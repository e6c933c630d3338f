// SPDX-License-Identifier: Apache-2.0
// Reads an EROFS image as our writer makes it and writes its tree as a stream (ipc/tree_stream.h).
// For the role extract.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::verifier {

// `image` must have passed checkTree: what its checks exclude is E_EROFS here, never read past.
// Returns the number of entries.
Result<std::uint64_t> streamTree(FdRef image, FdRef pipe);

}  // namespace airlock::verifier
