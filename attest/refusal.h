// SPDX-License-Identifier: Apache-2.0
// Why evidence is not accepted: stable codes, and the exit status that each stands for.
// airlock-attest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::attest {

// What a script tells apart (airlock(1), "attest verify").
enum class Exit : std::uint8_t {
  Accepted = 0,
  Integrity = 16,  // log, structure or signature
  Policy = 20,     // whole, and not what the fleet's policy asks for
  Freshness = 21,  // another nonce, or another boot
  Key = 22,        // the key is not one that is trusted, or not any more
  Software = 23    // a software TPM, or one that cannot show what it is
};

// "E_ATTEST_NONCE" and the like.  A refusal is a verdict: `what` says what is wrong with the
// evidence, for somebody who has not read the specification.
std::unexpected<Error> refuseEvidence(std::string_view code, std::string what,
                                      std::string hint = {});
Exit exitOf(std::string_view code);
// Whether an error is such a verdict, and not our own failure.
bool isVerdict(const Error& error);

}  // namespace airlock::attest
