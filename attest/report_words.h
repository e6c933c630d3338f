// SPDX-License-Identifier: Apache-2.0
// How a report says what an appraisal found, in whichever form it is.  airlock-attest.
#pragma once

#include <cstdint>
#include <string>

#include "attest/appraise.h"

namespace airlock::attest {

const char* outcomeName(Check::Outcome outcome);
// "by user 4242, logged in as 1000"
std::string byWhom(std::uint64_t uid, const Decision* decision);
// Of that record; nullptr: none is known.
const Decision* decisionOf(const Appraisal& appraisal, std::uint64_t record);
// Of what the record says who signed an image, how much is known to be so.
const char* signatureOf(const ImageRecord& image, const Appraisal& appraisal);
// Against the quote alone: whoever replays an old one replays its log, too.
bool isFresh(const Appraisal& appraisal);
// The log was accepted, or only the policy wanted something else.  Of another refused log it is
// only what somebody says.
bool isProved(const Appraisal& appraisal);
// When the quote was made, as far as that is known.  Of an accepted appraisal.
std::string freshness(const Appraisal& appraisal);

}  // namespace airlock::attest
