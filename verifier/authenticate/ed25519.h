// SPDX-License-Identifier: Apache-2.0
// Ed25519 signatures in minisign's format (https://jedisct1.github.io/minisign/, "Signature
// format").  Verifier roles authenticate and inspect-key; the two parsers are fuzzed.
//
// Only the prehashed algorithm "ED" is taken: the signature is over BLAKE2b-512 of the file.  The
// legacy "Ed" over the bytes themselves is refused, for a file that is the hash of another would
// carry that one's signature (test S26). Comments are never shown; the trusted one is covered by
// the global signature, which must be right.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "ipc/verify_messages.h"
#include "verifier/source.h"

namespace airlock::verifier {

struct MinisignKey {
  std::array<std::uint8_t, 8> id;
  std::array<std::uint8_t, 32> key;
  // "minisign-" and the key id as minisign prints it, in lower case.
  Result<KeyFingerprint> fingerprint() const;
};

struct MinisignSignature {
  std::array<std::uint8_t, 8> keyId;
  std::array<std::uint8_t, 64> signature;  // over the BLAKE2b-512 of the file
  std::string trustedComment;
  std::array<std::uint8_t, 64> globalSignature;  // over signature and trusted comment
  std::int64_t created()
      const;  // "timestamp:" of the trusted comment, seconds since 1970; 0 without one
  std::string keyFingerprint() const;
};

bool looksLikeMinisign(std::string_view file);

// The two lines of a public key file.  E_KEY otherwise.
Result<MinisignKey> parseMinisignKey(std::string_view file);
// The four lines of a signature file.  E_SIG_KIND otherwise, and for the legacy algorithm.
Result<MinisignSignature> parseMinisignSignature(std::string_view file);

// What `signature` is worth for the bytes of `data`, which is read to its end.  E_SIG_NOKEY when
// none of `keys` has the id that it names.  An error is a key file that is not what its fingerprint
// says (S18), or a failed read.
Result<ipc::SignatureVerdict> verifyMinisign(const MinisignSignature& signature,
                                             std::span<const ipc::TrustedKey> keys, Source& data);

}  // namespace airlock::verifier
