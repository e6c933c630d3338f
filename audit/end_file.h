// SPDX-License-Identifier: Apache-2.0
// Where the audit record ended when it was last made durable: one small file of a fixed form, which
// spares the helper the reading of all lines, and the lock of whoever writes.  Nothing is believed
// for it being there: it can be missing, old or torn.
#pragma once

#include <cstdint>
#include <optional>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"

namespace airlock::audit {

// Where the record ends.
struct End {
  std::uint64_t first = 0;  // number of the first line of the segment that is written to
  std::uint64_t bytes = 0;  // of that segment
  std::uint64_t next = 0;   // number of the next line
  OciDigest last;           // SHA-256 of the last line; zero: there is none
  ContentDigest policy;     // what was in force then; zero: not known
  ContentDigest trust;
};

class EndFile {
 public:
  // In the data directory, for its owner alone: readers of the record could keep its writers
  // waiting if they could lock it.  Waits for whoever is writing; released with the object. E_AUDIT
  static Result<EndFile> lock(FdRef top);
  // nullopt: it is new, or not whole.
  Result<std::optional<End>> read() const;
  Result<void> write(const End& end) const;

 private:
  explicit EndFile(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

}  // namespace airlock::audit
