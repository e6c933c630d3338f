// SPDX-License-Identifier: Apache-2.0
// Attestation keys: those that the verifier trusts, and what they must be.  OpenSSL computes.
// airlock-attest.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/structures.h"
#include "base/result.h"

struct evp_pkey_st;

namespace airlock::attest {

// A public key on P-256, or of RSA with 2048 to 4096 bits.
class Key {
 public:
  // SubjectPublicKeyInfo in PEM.  E_ATTEST_KEY
  static Result<Key> fromPem(std::string_view pem);
  static Result<Key> fromArea(const PublicArea& area);
  static Result<Key> fromHandle(evp_pkey_st* key);  // shares it

  // Over SHA-256 of `message`.
  bool verifies(std::string_view message, const Signature& signature) const;
  bool operator==(const Key& other) const { return der_ == other.der_; }
  // "sha256-…" of the SubjectPublicKeyInfo.
  std::string fingerprint() const;
  evp_pkey_st* handle() const { return key_.get(); }
  bool isRsa() const;

 private:
  struct Deleter {
    void operator()(evp_pkey_st* key) const;
  };
  using Handle = std::unique_ptr<evp_pkey_st, Deleter>;
  static Result<Key> admit(Handle key);
  Key(Handle key, std::string der) : key_(std::move(key)), der_(std::move(der)) {}
  Handle key_;
  std::string der_;
};

// A key of the inventory: where it was given as a TPM2B_PUBLIC, its area is trusted too.
struct TrustedKey {
  Key key;
  std::optional<PublicArea> area;
};
// One or more PEM blocks, or one TPM2B_PUBLIC.  E_ATTEST_KEY: our own side's mistake, no verdict.
Result<std::vector<TrustedKey>> readInventory(std::string_view file);

// A restricted signing key that its TPM made and that cannot leave it: only such a key signs
// nothing but what the TPM itself says.  What is wrong, or nothing.
std::optional<std::string> whyNoAttestationKey(const PublicArea& area);

// What OpenSSL and the C library would read later, and must not: the one's configuration is
// nobody's business, the other's time zone is read now.  First thing in main(), before the process
// is confined.
void prepareOpenssl();

}  // namespace airlock::attest
