// SPDX-License-Identifier: Apache-2.0
// What the CLI asks airlock-attest about evidence from another host, and what came of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "ipc/failure.h"

namespace airlock::ipc {

// Descriptors: 0 where the report goes; 1 the evidence, one ustar archive; 2 the keys that are
// trusted; then, where they are said to be there, the fleet policy, the roots of EK certificates,
// the makers' revocation lists, the list of revoked keys, and what the auditor knows of keys and
// signatures.
struct VerifyEvidence {
  std::string nonce;  // bytes, 16 to 64; none with `audit`: not asked for
  bool hasPolicy = false;
  bool hasRoots = false;
  bool requireHardware = false;
  bool json = false;
  bool audit = false;  // the audit record, too
  bool hasTrust = false;
  bool hasCrls = false;     // in PEM, of who signs EK certificates
  bool hasRevoked = false;  // names and fingerprints of attestation keys, a line each
  bool page = false;        // the report: a page for a browser, unless `json`
};
// Descriptors: 0 where the list goes, one line of JSON for each image whose signatures can be
// verified again; 1 the evidence.
struct ListSignatures {};
// Descriptors: 0 where the challenge goes; 1 where the secret goes; 2 the EK or its certificate;
// 3 the AK's public area; then the roots of EK certificates, and the makers' revocation lists.
struct MakeChallenge {
  bool hasRoots = false;
  bool hasCrls = false;
};
using AppraiseJob = std::variant<VerifyEvidence, MakeChallenge, ListSignatures>;
std::size_t descriptorsOf(const AppraiseJob& job);

struct Appraised {
  std::uint8_t status = 0;  // the exit status that stands for the verdict
  std::string code;         // E_ATTEST_…; empty: accepted
  std::string text;
};
using AppraiseReply = std::variant<Failure, Appraised>;

Result<std::string> encode(const AppraiseJob& job);
Result<AppraiseJob> decodeAppraiseJob(std::string_view bytes);
Result<std::string> encode(const AppraiseReply& reply);
Result<AppraiseReply> decodeAppraiseReply(std::string_view bytes);

}  // namespace airlock::ipc
