// SPDX-License-Identifier: Apache-2.0
// Evidence as one file: an uncompressed ustar archive.  CLI only; airlock-attest reads it.
#pragma once

#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::cli {

// Writes regular files, one after the other, with nothing of where they came from in them: no
// owner, no time.
class UstarWriter {
 public:
  explicit UstarWriter(FdRef out) : out_(out) {}
  // `name` is relative, with "/" between its parts.  E_EVIDENCE: it is too long for ustar.
  Result<void> add(std::string_view name, std::string_view content);
  // The two empty blocks.
  Result<void> finish();

 private:
  FdRef out_;
};

}  // namespace airlock::cli
