// SPDX-License-Identifier: Apache-2.0
// Keys and signatures of OCI images as their publishers make them, by openssl and gpg.  Tests of
// the verifier.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/verify_messages.h"
#include "verifier/scratch_for_test.h"

namespace airlock::verifier {

std::string base64(std::string_view bytes);
OciDigest sha256Of(std::string_view bytes);

class SigningKeys {
 public:
  // "p256", "p384", "ed25519", "rsa", "other" (P-256), "log" (P-256), "weak" (RSA 1024); and gpg's
  // "ada" and "eve".
  SigningKeys();
  std::string publicKey(const std::string& key) const { return scratch_.read(key + ".pub"); }
  ipc::TrustedKey trusted(const std::string& key) const;
  ipc::TrustedKey trustedLog(const std::string& key) const;
  ipc::TrustedKey trustedGpg(const std::string& user) const;
  // As openssl does by default: ECDSA and PKCS #1 v1.5 of the SHA-256, Ed25519 of the whole.
  std::string sign(const std::string& key, const std::string& bytes,
                   const std::string& options = "") const;
  std::string gpg(const std::string& arguments, const std::string& input) const;
  const Scratch& scratch() const { return scratch_; }

 private:
  Scratch scratch_;
};

// What is signed of the image: its manifest, and where it is.
inline constexpr std::string_view kManifestBytes = R"({"schemaVersion":2})";
ipc::VouchJob webJob();  // registry.example:5000/team/web:1.2

std::string claimOf(std::string_view manifestDigest, std::string_view reference,
                    std::string_view type);
std::string cosignClaim();  // of webJob()
std::string atomicClaim();

// A cosign signature as the registry has it; `more` are further annotations, a JSON tail.
ipc::OciSignature cosign(std::string payload, std::string_view signature,
                         const std::string& more = "");

}  // namespace airlock::verifier
