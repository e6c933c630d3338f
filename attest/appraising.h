// SPDX-License-Identifier: Apache-2.0
// An appraisal under way: what the checks have found so far, for those behind them.  What they
// check of the key and the quote is in quote_checks.cc, what of the log and the host in
// host_checks.cc, their order in appraise.cc.  airlock-attest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "attest/appraise.h"
#include "attest/evidence.h"
#include "attest/registers.h"
#include "base/result.h"

namespace airlock::attest {

// What a check says that did not refuse.
struct Finding {
  Finding(std::string detail) : text(std::move(detail)) {}  // NOLINT: passed, with this to say
  Finding(Check::Outcome what, std::string detail) : outcome(what), text(std::move(detail)) {}

  Check::Outcome outcome = Check::Outcome::Passed;
  std::string text;
};

// E_ATTEST_EVIDENCE: it is not there.
Result<std::string_view> need(const std::optional<std::string_view>& file, std::string_view name);

class Appraising {
 public:
  Appraising(std::string_view archive, const Question& question)
      : archive_(archive), question_(question) {}
  Result<Appraisal> run();

 private:
  using Step = Result<Finding> (Appraising::*)();
  struct Named {
    const char* name;
    Step step;
  };
  static const std::array<Named, 14> kSteps;
  static const std::array<Named, 3> kAuditSteps;

  Result<Finding> checkEvidence();
  Result<Finding> checkKey();
  Result<Finding> checkSignature();
  Result<Finding> checkStructure();
  Result<Finding> checkNonce();
  Result<Finding> checkSelection();
  Result<Finding> checkRegisters();
  Result<Finding> checkTrailing();
  Result<Finding> checkLog();
  Result<Finding> checkReplay();
  Result<Finding> checkBoot();
  Result<Finding> checkFirmware();
  Result<Finding> checkHardware();
  Result<Finding> checkPolicy();
  Result<Finding> checkAudit();
  Result<Finding> checkFiles();
  Result<Finding> checkSignedBy();
  Result<bool> passes(const Named& named);
  Finding notChecked(std::string why);

  bool needsHardware() const {
    return question_.requireHardware ||
           (question_.policy != nullptr && question_.policy->requireHardware);
  }
  const tpm::Chain& chain() const { return appraisal_.replay->chain; }
  const tpm::Bytes* registerOf(std::uint16_t bank, std::uint32_t index) const;
  Result<void> expectOurRegister() const;
  Result<void> expectBanks() const;
  Result<void> expectThisBoot() const;
  Result<void> noteCommandLine(const FirmwareLog& log);
  Result<std::string> describeCertificate();
  void noteLayers();

  std::string_view archive_;
  const Question& question_;
  Appraisal appraisal_;
  Evidence evidence_;
  const TrustedKey* key_ = nullptr;
  std::optional<PublicArea>
      area_;  // of the key: the inventory's, or the evidence's for the same key
  std::size_t trailing_ = 0;
  Registers registers_;
};

}  // namespace airlock::attest
