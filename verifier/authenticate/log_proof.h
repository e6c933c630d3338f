// SPDX-License-Identifier: Apache-2.0
// Proof that a signature is in a transparency log (Rekor), checked without a network against the
// log's public key.  Verifier role authenticate; the readers are fuzzed.
//
// Two proofs are known, and each that an entry has must hold: the log's signed promise to take it
// in (the "SET"), and the Merkle path (RFC 6962, RFC 9162) to a root that a signed checkpoint has.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "image/json.h"
#include "verifier/authenticate/public_key.h"

namespace airlock::verifier {

using TreeHash = std::array<std::uint8_t, 32>;

struct InclusionProof {
  std::int64_t index = 0;  // of the leaf in the tree
  std::int64_t size = 0;   // of the tree
  TreeHash root{};
  std::vector<TreeHash> path;
  std::string checkpoint;  // a signed note
};
struct LogEntry {
  std::string body;  // canonical JSON, as the log has it
  std::int64_t integratedTime = 0;
  std::int64_t index = 0;
  std::string logId;    // 64 hex digits: SHA-256 of the log's key
  std::string promise;  // DER; empty: none
  std::optional<InclusionProof> inclusion;
};

// The annotation dev.sigstore.cosign/bundle of a cosign signature.  E_SIG_LOG.
Result<LogEntry> parseCosignBundle(std::string_view json);
// An element of a sigstore bundle's tlogEntries.  E_SIG_LOG.
Result<LogEntry> parseBundleEntry(const image::Json& entry);

// What an entry has to be of.
struct Logged {
  std::string_view document;  // what was signed: of an envelope its payload, else the document
  std::optional<OciDigest> documentDigest;  // instead of it
  std::string_view signature;
  bool envelope = false;  // DSSE
  std::reference_wrapper<const KeyFingerprint> signer;
};
// When the log took it in, seconds since 1970.  E_SIG_LOG with the reason.
Result<std::int64_t> verifyLogEntry(const LogEntry& entry, std::span<const PublicKey> logs,
                                    const Logged& logged);

// The root of a tree of `size` leaves that `leaf` is in at `index`, by its path; nullopt when that
// has not the length that it must have (RFC 9162 section 2.1.3.2).
std::optional<TreeHash> rootOf(std::string_view leaf, const InclusionProof& proof);

}  // namespace airlock::verifier
