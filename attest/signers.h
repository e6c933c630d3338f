// SPDX-License-Identifier: Apache-2.0
// Who vouched for what ran, held against the keys that the auditor trusts.  airlock-attest.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attest/evidence.h"
#include "attest/fleet_policy.h"
#include "attest/history.h"
#include "base/result.h"

namespace airlock::attest {

// The auditor's own knowledge, as the CLI writes it from --trust, from --image and from what the
// verifier's role `authenticate` said: lines of words between tabs.
struct AuditorsTrust {
  std::vector<std::pair<std::string, std::string>> keys;  // scope, fingerprint
  std::map<std::string, Texts, std::less<>> verified;     // by image: who signed it, seen afresh
  std::vector<std::pair<std::string, std::string>>
      strays;  // image, file: given, and never recorded
};
// "key", scope, fingerprint; "verified", image, fingerprint ("" for none); "stray", image, file.
// E_ATTEST_TRUST
Result<AuditorsTrust> parseAuditorsTrust(std::string_view text);

// Signatures that the role `authenticate` can look at again: of OCI images, whose id is what was
// signed, or names what was (index); and of ACIs, for which it needs the image's file.  One line of
// JSON for each: image, name, version, signed (when it was imported), index ("" for none),
// signatures (base64; "" for none).
Result<std::string> listSignatures(const Evidence& evidence, const History& history);

struct SignersFound {
  std::set<std::string> afresh;    // images whose signature was verified again
  std::vector<std::string> notes;  // those of which the measured record alone says who signed
  std::string detail;              // how many of each
};
// Each image that ran was signed by a key that is trusted for its name; golden ones, and unverified
// ones where the policy allows them, excepted.  E_ATTEST_POLICY_SIGNER
Result<SignersFound> checkSigners(const History& history, const AuditorsTrust& trust,
                                  const FleetPolicy* policy);

}  // namespace airlock::attest
