// SPDX-License-Identifier: Apache-2.0
// The role check: reads an EROFS image again, before the kernel may, and believes nothing about who
// wrote it. For airlock-verify only.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::verifier {

// Accepts only the canonical form that erofs_format.h describes: every byte outside the content of
// files is what the writer would have put there for the tree that the image holds, and the file
// ends where the image does.  The content of regular files may be anything and is not read, except
// the zero bytes that pad its last block.
//
// Whiteouts and opaque directories are what a layer may have, and nothing else may.
//
// Refuses with E_EROFS (ErrorKind::Invalid).  Memory: some 100 bytes for each inode, of which
// kTreeEntries bounds the number. Uses fstat(2) and pread(2) on `image`, a regular file that nobody
// else can write; opens nothing.
enum class TreeOf : std::uint8_t { Image, Layer };
Result<void> checkTree(FdRef image, TreeOf what = TreeOf::Image);

}  // namespace airlock::verifier
