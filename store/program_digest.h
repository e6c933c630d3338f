// SPDX-License-Identifier: Apache-2.0
// What a program of ours is, for the measurement log.  Helper only.
#pragma once

#include <string>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"

namespace airlock::store {

// SHA-512 of the open file of `program`, kept in the runtime directory beside its inode's identity,
// so that a start does not hash what has not changed.
Result<ContentDigest> programDigest(FdRef runtime, const std::string& program, FdRef file);

}  // namespace airlock::store
