// SPDX-License-Identifier: Apache-2.0
#include "attest/appraise.h"

#include <utility>

#include "attest/appraising.h"
#include "attest/refusal.h"

namespace airlock::attest {

constexpr std::array<Appraising::Named, 14> Appraising::kSteps{
    {{"evidence", &Appraising::checkEvidence},
     {"key", &Appraising::checkKey},
     {"signature", &Appraising::checkSignature},
     {"structure", &Appraising::checkStructure},
     {"nonce", &Appraising::checkNonce},
     {"selection", &Appraising::checkSelection},
     {"registers", &Appraising::checkRegisters},
     {"trailing", &Appraising::checkTrailing},
     {"log", &Appraising::checkLog},
     {"replay", &Appraising::checkReplay},
     {"boot", &Appraising::checkBoot},
     {"firmware", &Appraising::checkFirmware},
     {"hardware", &Appraising::checkHardware},
     {"policy", &Appraising::checkPolicy}}};
constexpr std::array<Appraising::Named, 3> Appraising::kAuditSteps{
    {{"audit", &Appraising::checkAudit},
     {"files", &Appraising::checkFiles},
     {"signers", &Appraising::checkSignedBy}}};

// False: the verdict is there.
Result<bool> Appraising::passes(const Named& named) {
  auto done = (this->*named.step)();
  if (!done && !isVerdict(done.error())) return std::unexpected(std::move(done.error()));
  if (!done) {
    appraisal_.checks.push_back({named.name, Check::Outcome::Failed, done.error().message()});
    appraisal_.refusal = std::move(done.error());
    return false;
  }
  appraisal_.checks.push_back({named.name, done->outcome, std::move(done->text)});
  return true;
}

Result<Appraisal> Appraising::run() {
  bool good = true;
  for (const Named& named : kSteps) {
    if (good) good = TRY(passes(named));
  }
  for (const Named& named : kAuditSteps) {
    if (good && question_.audit) good = TRY(passes(named));
  }
  return std::move(appraisal_);
}

// Accepted all the same: the report says so, twice.
Finding Appraising::notChecked(std::string why) {
  appraisal_.notes.push_back(why);
  return {Check::Outcome::NotDone, std::move(why)};
}

Result<Appraisal> appraise(std::string_view archive, const Question& question) {
  return Appraising(archive, question).run();
}

}  // namespace airlock::attest
