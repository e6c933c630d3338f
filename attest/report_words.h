// SPDX-License-Identifier: Apache-2.0
// How a report says what an appraisal found, in whichever form it is.  airlock-attest.
#pragma once

#include <string>

#include "attest/appraise.h"

namespace airlock::attest {

const char* outcomeName(Check::Outcome outcome);
// Of what the record says who signed an image, how much is known to be so.
const char* signatureOf(const ImageRecord& image, const Appraisal& appraisal);
// Against the quote alone: whoever replays an old one replays its log, too.
bool isFresh(const Appraisal& appraisal);
// When the quote was made, as far as that is known.  Of an accepted appraisal.
std::string freshness(const Appraisal& appraisal);

}  // namespace airlock::attest
