// SPDX-License-Identifier: Apache-2.0
// How often a user gets a quote.  A TPM takes up to a second for one, in which no pod starts: each
// user has a turn in each second, and cannot use up anybody else's.  The measuring process, under
// the log's lock.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::tpm {

inline constexpr std::int64_t kQuoteMilliseconds = 1000;

// Takes this user's turn.  E_ATTEST_BUSY when the last one was less than kQuoteMilliseconds ago.
// `directory`: the log's, where the turns are kept.
Result<void> takeTurn(FdRef directory, std::uint32_t uid);

}  // namespace airlock::tpm
