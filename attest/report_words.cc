// SPDX-License-Identifier: Apache-2.0
#include "attest/report_words.h"

#include <algorithm>
#include <cstdint>

#include "attest/refusal.h"

namespace airlock::attest {

namespace {

// What the TPM says of the time of its quote: how long it had power, which is no time of day.
std::string poweredTime(const Quote& quote) {
  constexpr std::uint64_t kSecond = 1000;
  const std::uint64_t minutes = quote.clock / kSecond / 60;
  return std::to_string(minutes / 60 / 24) + " d " + std::to_string(minutes / 60 % 24) + " h " +
         std::to_string(minutes % 60) + " min of power, and " + std::to_string(quote.resets) +
         (quote.resets == 1 ? " reset" : " resets");
}

}  // namespace

std::string byWhom(std::uint64_t uid, const Decision* decision) {
  std::string text = "by user " + std::to_string(uid);
  if (decision != nullptr && decision->login && *decision->login != uid) {
    text += ", logged in as " + std::to_string(*decision->login);
  }
  return text;
}
const Decision* decisionOf(const Appraisal& appraisal, std::uint64_t record) {
  const auto found = appraisal.decisions.find(record);
  return found == appraisal.decisions.end() ? nullptr : &found->second;
}

const char* outcomeName(Check::Outcome outcome) {
  switch (outcome) {
    case Check::Outcome::Passed:
      return "passed";
    case Check::Outcome::Failed:
      return "failed";
    case Check::Outcome::NotDone:
      return "not checked";
  }
  return "";
}

const char* signatureOf(const ImageRecord& image, const Appraisal& appraisal) {
  if (image.insecure) return "not asked for";
  return appraisal.verifiedAgain.contains(image.image) ? "verified again"
                                                       : "as the measured engine says";
}

bool isFresh(const Appraisal& appraisal) {
  return std::ranges::any_of(appraisal.checks, [](const Check& check) {
    return check.name == "nonce" && check.outcome == Check::Outcome::Passed;
  });
}

bool isProved(const Appraisal& appraisal) {
  return !appraisal.refusal || exitOf(appraisal.refusal->code()) == Exit::Policy;
}

std::string freshness(const Appraisal& appraisal) {
  return (isFresh(appraisal)
              ? std::string("answers the nonce, so it is younger than that")
              : std::string("of an UNKNOWN time of that boot: no nonce was asked with")) +
         "; quoted after " + poweredTime(*appraisal.quote) + " of the TPM";
}

}  // namespace airlock::attest
