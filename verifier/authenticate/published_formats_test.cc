// SPDX-License-Identifier: Apache-2.0
// Signatures that another program made by the published formats (tests/signatures/README.md).
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "verifier/authenticate/public_key.h"
#include "verifier/authenticate/signing_for_test.h"
#include "verifier/authenticate/vouch.h"

namespace airlock::verifier {
namespace {

std::string fixture(const std::string& name) {
  std::ifstream file(std::string(AIRLOCK_SOURCE_DIR) + "/tests/signatures/" + name);
  EXPECT_TRUE(file.good()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

ipc::TrustedKey key(const std::string& name, bool log = false) {
  const std::string pem = fixture(name + ".pub");
  return {PublicKey::parse(pem).value().fingerprint(), pem, log};
}

class PublishedFormats : public testing::Test {
 protected:
  PublishedFormats() {
    scratch_.write("ada.asc", fixture("ada.asc"));
    std::string listing =
        scratch_.shell("gpg --batch -q --with-colons --import-options show-only --import ada.asc");
    std::string fingerprint = listing.substr(listing.find("\nfpr:::::::::") + 13, 40);
    for (char& c : fingerprint) c = static_cast<char>(std::tolower(c));
    trusted_ = {key("ecdsa-p256"),
                key("ecdsa-p384"),
                key("ed25519"),
                key("rsa-2048"),
                {KeyFingerprint::parse(fingerprint).value(), fixture("ada.asc")}};
  }
  void expectGood(const ipc::OciSignature& signature, std::int64_t loggedAt) {
    ipc::VouchJob job = webJob();
    job.digests = {sha256Of(fixture("manifest.json"))};
    const auto found = vouch(job, {signature}, trusted_, scratch_.emptyDirectory());
    ASSERT_TRUE(found) << found.error().text();
    ASSERT_EQ(found->signatures.size(), 1U);
    EXPECT_EQ(found->signatures[0].code, "good") << found->signatures[0].detail;
    EXPECT_EQ(found->signatures[0].loggedAt, loggedAt);
    job.digests = {sha256Of("another manifest")};
    const auto other = vouch(job, {signature}, trusted_, scratch_.emptyDirectory());
    EXPECT_EQ(other->signatures.at(0).code, "E_SIG_DIGEST");
  }
  Scratch scratch_;
  std::vector<ipc::TrustedKey> trusted_;
};

TEST_F(PublishedFormats, CosignsPayloadAndAnnotationsAreUnderstood) {
  for (const bool log : {false, true}) {
    if (log) trusted_.push_back(key("log", true));
    for (const char* name : {"ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048"}) {
      expectGood({.kind = ipc::OciSignature::Kind::Cosign,
                  .content = fixture("cosign.payload"),
                  .annotations = fixture(std::string("cosign-") + name + ".json")},
                 log ? 1'700'000'000 : 0);
    }
  }
}

TEST_F(PublishedFormats, SigstoreBundlesAreUnderstood) {
  for (const bool log : {false, true}) {
    if (log) trusted_.push_back(key("log", true));
    for (const char* name :
         {"bundle-ecdsa-p256.json", "bundle-ed25519.json", "bundle-message.json"}) {
      expectGood(
          {.kind = ipc::OciSignature::Kind::Bundle, .content = fixture(name), .annotations = {}},
          log ? 1'700'000'000 : 0);
    }
  }
}

TEST_F(PublishedFormats, TheSimpleSignatureOfContainersIsUnderstood) {
  expectGood(
      {.kind = ipc::OciSignature::Kind::Simple, .content = fixture("simple"), .annotations = {}},
      0);
}

}  // namespace
}  // namespace airlock::verifier
