// SPDX-License-Identifier: Apache-2.0
// The verdict about a host's evidence: every check, in the order of docs/measurement.md
// ("Verifying"), nothing believed because the host says so.  airlock-attest; fuzzed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attest/audit_trail.h"
#include "attest/certificate.h"
#include "attest/evidence.h"
#include "attest/firmware_log.h"
#include "attest/fleet_policy.h"
#include "attest/history.h"
#include "attest/key.h"
#include "attest/revoked.h"
#include "attest/signers.h"
#include "attest/structures.h"
#include "base/result.h"

namespace airlock::attest {

// What the verifier knows of its own.
struct Question {
  std::string_view nonce;
  const std::vector<TrustedKey>& inventory;
  const FleetPolicy* policy = nullptr;  // nullptr: only whole and of this TPM
  const Roots* roots = nullptr;
  bool requireHardware = false;
  bool audit = false;                    // the audit record and the images' signers, too
  const AuditorsTrust* trust = nullptr;  // whom the auditor trusts; nullptr: not asked
  const RevokedKeys* revoked = nullptr;  // beside those of the policy
};

struct Check {
  std::string name;
  enum class Outcome { Passed, Failed, NotDone } outcome = Outcome::NotDone;
  std::string detail;
};

// What is known at the end; what a check did not reach is not there.
struct Appraisal {
  std::vector<Check> checks;
  std::optional<Error> refusal;  // nullopt: accepted
  std::optional<Quote> quote;
  std::string key;  // fingerprint of the one that signed
  std::optional<tpm::Replay> replay;
  std::optional<History> history;
  std::optional<FirmwareLog> firmware;
  std::string certificate;  // maker, model and issuer, for people
  bool software = true;     // the lesser thing is claimed
  std::map<std::uint64_t, Decision>
      decisions;                        // of starts and enters, by record; of the audit check
  std::set<std::string> verifiedAgain;  // images whose signature the auditor has verified
  std::vector<std::string> notes;       // what was not enforced, or could not be checked
};

// The error is our own failure, never a verdict.
Result<Appraisal> appraise(std::string_view archive, const Question& question);

}  // namespace airlock::attest
