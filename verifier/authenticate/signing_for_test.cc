// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/signing_for_test.h"

#include <sodium.h>

#include <cctype>

#include "verifier/authenticate/public_key.h"

namespace airlock::verifier {

std::string base64(std::string_view bytes) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  ::sodium_bin2base64(text.data(), text.size(),
                      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();
  return text;
}

OciDigest sha256Of(std::string_view bytes) {
  Sha256 hash;
  hash.update({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return OciDigest(hash.finish());
}

SigningKeys::SigningKeys() {
  for (const char* key : {"p256", "other", "log"})
    scratch_.shell(std::string("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 "
                               "-out ") +
                   key);
  scratch_.shell("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384");
  scratch_.shell("openssl genpkey -algorithm ED25519 -out ed25519");
  scratch_.shell("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa");
  scratch_.shell("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak");
  for (const char* key : {"p256", "other", "log", "p384", "ed25519", "rsa", "weak"}) {
    scratch_.shell(std::string("openssl pkey -in ") + key + " -pubout -out " + key + ".pub");
  }
  for (const char* user : {"ada", "eve"}) {
    scratch_.shell(std::string("gpg --batch -q --passphrase '' --quick-gen-key ") + user +
                   "@example.test ed25519 sign never");
    scratch_.shell(std::string("gpg --batch -q --armor --export -o ") + user + ".gpg " + user +
                   "@example.test");
  }
}

ipc::TrustedKey SigningKeys::trusted(const std::string& key) const {
  const std::string pem = publicKey(key);
  return {PublicKey::parse(pem).value().fingerprint(), pem};
}
ipc::TrustedKey SigningKeys::trustedLog(const std::string& key) const {
  ipc::TrustedKey result = trusted(key);
  result.log = true;
  return result;
}
ipc::TrustedKey SigningKeys::trustedGpg(const std::string& user) const {
  const std::string listing =
      scratch_.shell("gpg --batch --with-colons --list-keys " + user + "@example.test");
  std::string fingerprint = listing.substr(listing.find("\nfpr:::::::::") + 13, 40);
  for (char& c : fingerprint) c = static_cast<char>(std::tolower(c));
  return {KeyFingerprint::parse(fingerprint).value(), scratch_.read(user + ".gpg")};
}

std::string SigningKeys::sign(const std::string& key, const std::string& bytes,
                              const std::string& options) const {
  scratch_.write("signed", bytes);
  if (key == "ed25519") {
    scratch_.shell("openssl pkeyutl -sign -rawin -inkey ed25519 -in signed -out signature");
  } else {
    const std::string hash = options.find("-sha") == options.npos ? "-sha256 " : "";
    scratch_.shell("openssl dgst " + hash + options + " -sign " + key + " -out signature signed");
  }
  return scratch_.read("signature");
}

std::string SigningKeys::gpg(const std::string& arguments, const std::string& input) const {
  scratch_.write("message", input);
  scratch_.shell("rm -f message.gpg; gpg --batch -q --yes -o message.gpg " + arguments +
                 " message");
  return scratch_.read("message.gpg");
}

ipc::VouchJob webJob() {
  return {.digests = {sha256Of(kManifestBytes)},
          .name = ImageName::parse("registry.example~5000/team/web").value(),
          .version = "1.2"};
}

std::string claimOf(std::string_view manifestDigest, std::string_view reference,
                    std::string_view type) {
  return R"({"critical":{"identity":{"docker-reference":")" + std::string(reference) +
         R"("},"image":{"docker-manifest-digest":")" + std::string(manifestDigest) +
         R"("},"type":")" + std::string(type) + R"("},"optional":{}})";
}
std::string cosignClaim() {
  return claimOf(ociText(sha256Of(kManifestBytes)), "registry.example:5000/team/web",
                 "cosign container image signature");
}
std::string atomicClaim() {
  return claimOf(ociText(sha256Of(kManifestBytes)), "registry.example:5000/team/web:1.2",
                 "atomic container signature");
}

ipc::OciSignature cosign(std::string payload, std::string_view signature, const std::string& more) {
  return {.kind = ipc::OciSignature::Kind::Cosign,
          .content = std::move(payload),
          .annotations =
              R"({"dev.cosignproject.cosign/signature":")" + base64(signature) + "\"" + more + "}"};
}

}  // namespace airlock::verifier
