// SPDX-License-Identifier: Apache-2.0
// Attestation keys that are not believed any more, although their signatures stay good for ever.
// airlock-attest.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "attest/key.h"
#include "base/result.h"

namespace airlock::attest {

class RevokedKeys {
 public:
  // One key in a line, as `airlock attest revoke` prints it: its fingerprint (sha256-…, of the
  // public key) or its name (000b…, in hex).  "#" begins a comment.  E_ATTEST_REVOKED_LIST, with
  // the line.
  static Result<RevokedKeys> parse(std::string_view text);
  // One of them.  E_ATTEST_REVOKED_LIST
  Result<void> add(std::string_view entry);

  // E_ATTEST_REVOKED: the key is one of them.  E_ATTEST_REVOKED_LIST, our own side's mistake: names
  // are listed, and of the key only its numbers are known.  A name is of all that the TPM knows of
  // the key, so that what the evidence says of it cannot be believed here: with another attribute
  // in it the key would have another name.
  Result<void> expectNot(const TrustedKey& key) const;

 private:
  std::set<std::string, std::less<>> fingerprints_;  // "sha256-…"
  std::set<std::string, std::less<>> names_;         // in hex
};

}  // namespace airlock::attest
