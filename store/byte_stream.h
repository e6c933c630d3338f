// SPDX-License-Identifier: Apache-2.0
// Foreign bytes on their way from one descriptor to another, never parsed, and never waited for
// without end.  Whoever imports images, or reads one back.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/syscall.h"

namespace airlock::store {

inline constexpr int kRoleMilliseconds = 120'000;  // for a role to go on, or to answer at the end

// A descriptor from outside may be anything, and reading it may block for ever.  E_FD.
Result<void> checkSource(FdRef source);

// Until there is something to read; E_TIMEOUT after a minute.
Result<void> waitReadable(FdRef fd);

// Reads `from` to its end, in order, and hands every piece to `use`.  E_LIMIT beyond `most` bytes.
template <class Use>
Result<std::uint64_t> pump(FdRef from, std::uint64_t most, Use use) {
  std::vector<std::uint8_t> buffer(1 * limits::MiB);
  std::uint64_t total = 0;
  for (;;) {
    TRY(waitReadable(from));
    const std::size_t got = TRY(sys::read(from, buffer));
    if (got == 0) return total;
    total += got;
    if (total > most) {
      return refuse(ErrorKind::Invalid, "E_LIMIT",
                    "image is larger than " + std::to_string(most) + " bytes");
    }
    TRY(use(std::span<const std::uint8_t>(buffer.data(), got)));
  }
}

// Into a pipe that does not block: a role that has stopped reading holds up nobody.
Result<void> feed(FdRef pipe, std::span<const std::uint8_t> bytes);

// The same file for reading only, from its start: what a role gets of it.
Result<Fd> readOnly(FdRef file);

}  // namespace airlock::store
