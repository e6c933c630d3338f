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

// The auditor's own knowledge, as the CLI writes it from --trust and from what the verifier's role
// `authenticate` said: lines of words between tabs.
struct AuditorsTrust {
  std::vector<std::pair<std::string, std::string>> keys;  // scope, fingerprint
  std::map<std::string, Texts, std::less<>> verified;     // by image: who signed it, seen afresh
};
// "key", scope, fingerprint; "verified", image, fingerprint ("" for none).  E_ATTEST_TRUST
Result<AuditorsTrust> parseAuditorsTrust(std::string_view text);

// The manifest of each OCI image in the evidence is the one that the image is called by.  Returns
// how many.  E_ATTEST_IMAGE
Result<std::size_t> checkManifests(const Evidence& evidence);
// The policy files in the evidence are those of the last policy record, if there are any.
// E_ATTEST_FILES
Result<bool> checkPolicyFiles(const Evidence& evidence, const History& history);

// Signatures that the role `authenticate` can look at again: of OCI images, whose id is what was
// signed.  One line of JSON for each: image, name, version, signatures (base64).
Result<std::string> listSignatures(const Evidence& evidence, const History& history);

struct SignersFound {
  std::size_t afresh = 0;          // images whose signature was verified here
  std::vector<std::string> notes;  // those that could not be
};
// Each image that ran was signed by a key that is trusted for its name; golden ones, and unverified
// ones where the policy allows them, excepted.  E_ATTEST_POLICY_SIGNER
Result<SignersFound> checkSigners(const History& history, const AuditorsTrust& trust,
                                  const FleetPolicy* policy);

}  // namespace airlock::attest
