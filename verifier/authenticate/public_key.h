// SPDX-License-Identifier: Apache-2.0
// Plain public keys (PEM, as cosign and Rekor have them) and signatures by them, through OpenSSL.
// Verifier roles authenticate and inspect-key; the reader is fuzzed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"

struct evp_pkey_st;

namespace airlock::verifier {

bool looksLikePublicKey(std::string_view file);

// ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits.  Anything else is no key to us.
class PublicKey {
 public:
  // One PEM block "PUBLIC KEY" and nothing else: a DER SubjectPublicKeyInfo in its only form, so
  // that one key has one fingerprint.  E_KEY.
  static Result<PublicKey> parse(std::string_view file);

  const KeyFingerprint& fingerprint() const { return fingerprint_; }
  std::string description() const;  // "ECDSA P-256"

  // ECDSA and RSA (PKCS #1 v1.5, or PSS) of the SHA-256, with P-384 also of the SHA-384; Ed25519 of
  // the message itself.
  bool verifies(std::string_view message, std::string_view signature) const;
  // Of a document that is not at hand.  nullopt: such a key signs no digest.
  std::optional<bool> verifiesDigest(const OciDigest& document, std::string_view signature) const;

 private:
  enum class Algorithm { EcdsaP256, EcdsaP384, Ed25519, Rsa };
  struct End {
    void operator()(evp_pkey_st* key) const;
  };
  using Handle = std::unique_ptr<evp_pkey_st, End>;
  PublicKey(KeyFingerprint fingerprint, Algorithm algorithm, Handle key)
      : fingerprint_(std::move(fingerprint)), algorithm_(algorithm), key_(std::move(key)) {}
  static std::optional<Algorithm> algorithmOf(std::string_view der, const evp_pkey_st* key);

  KeyFingerprint fingerprint_;
  Algorithm algorithm_;
  Handle key_;
};

// "sha256-" and the hex digits: a key's fingerprint, from its DER SubjectPublicKeyInfo.
Result<KeyFingerprint> fingerprintOf(std::string_view subjectPublicKeyInfo);

}  // namespace airlock::verifier
