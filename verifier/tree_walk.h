// SPDX-License-Identifier: Apache-2.0
// Writes the tree of an image, or of a stack of layers, as a stream (ipc/tree_stream.h).  For the
// role extract.
#pragma once

#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::verifier {

// `layers`: EROFS images, the topmost first, each of which has passed checkTree.  Returns the
// number of entries.
Result<std::uint64_t> streamTree(std::span<const FdRef> layers, FdRef pipe);

}  // namespace airlock::verifier
