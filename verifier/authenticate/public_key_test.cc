// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/public_key.h"

#include <gtest/gtest.h>

#include "verifier/authenticate/authenticate.h"
#include "verifier/authenticate/signing_for_test.h"

namespace airlock::verifier {
namespace {

class PublicKeys : public testing::Test {
 protected:
  static void SetUpTestSuite() { keys_ = std::make_unique<SigningKeys>(); }
  static void TearDownTestSuite() { keys_.reset(); }
  static std::string codeOf(const std::string& file) {
    const auto key = PublicKey::parse(file);
    return key ? "taken" : key.error().code();
  }
  static inline std::unique_ptr<SigningKeys> keys_;
};

TEST_F(PublicKeys, TheFingerprintIsThatOfTheDerAsOpenSslWritesIt) {
  for (const char* key : {"p256", "p384", "ed25519", "rsa"}) {
    const std::string sum = keys_->scratch().shell(std::string("openssl pkey -pubin -in ") + key +
                                                   ".pub -outform DER | sha256sum");
    EXPECT_EQ(keys_->trusted(key).fingerprint.text(), "sha256-" + sum.substr(0, 64)) << key;
  }
}

TEST_F(PublicKeys, EachKindVerifiesItsOwnSignatureAndNoOther) {
  for (const char* name : {"p256", "p384", "ed25519", "rsa"}) {
    const PublicKey key = PublicKey::parse(keys_->publicKey(name)).value();
    std::string signature = keys_->sign(name, "a message");
    EXPECT_TRUE(key.verifies("a message", signature)) << name;
    EXPECT_FALSE(key.verifies("a Message", signature)) << name;
    EXPECT_FALSE(key.verifies("a message", "")) << name;
    // Cut short: of ECDSA a DER that does not end.
    EXPECT_FALSE(key.verifies("a message", signature.substr(0, signature.size() - 1))) << name;
    EXPECT_FALSE(key.verifies("a message", signature + '\0')) << name;
    signature[signature.size() / 2] = static_cast<char>(signature[signature.size() / 2] ^ 1);
    EXPECT_FALSE(key.verifies("a message", signature)) << name;
  }
}

TEST_F(PublicKeys, RsaMayPadWithPssAndP384MayHashWithSha384) {
  const PublicKey rsa = PublicKey::parse(keys_->publicKey("rsa")).value();
  EXPECT_TRUE(rsa.verifies("m", keys_->sign("rsa", "m", "-sigopt rsa_padding_mode:pss")));
  EXPECT_FALSE(rsa.verifies("m", keys_->sign("rsa", "m", "-sha1")));
  const PublicKey p384 = PublicKey::parse(keys_->publicKey("p384")).value();
  EXPECT_TRUE(p384.verifies("m", keys_->sign("p384", "m", "-sha384")));
  const PublicKey p256 = PublicKey::parse(keys_->publicKey("p256")).value();
  EXPECT_FALSE(p256.verifies("m", keys_->sign("p256", "m", "-sha1")));
}

TEST_F(PublicKeys, ADigestIsEnoughWhereTheKeySignsOne) {
  const PublicKey p256 = PublicKey::parse(keys_->publicKey("p256")).value();
  const std::string signature = keys_->sign("p256", "m");
  EXPECT_EQ(p256.verifiesDigest(sha256Of("m"), signature), true);
  EXPECT_EQ(p256.verifiesDigest(sha256Of("n"), signature), false);
  const PublicKey ed25519 = PublicKey::parse(keys_->publicKey("ed25519")).value();
  EXPECT_EQ(ed25519.verifiesDigest(sha256Of("m"), keys_->sign("ed25519", "m")), std::nullopt);
}

TEST_F(PublicKeys, WhatIsWeakOrNotOnePublicKeyIsNone) {
  const std::string good = keys_->publicKey("p256");
  EXPECT_EQ(codeOf("\n" + good + "\n"), "taken");
  EXPECT_EQ(codeOf(keys_->publicKey("weak")), "E_KEY");
  EXPECT_EQ(codeOf(keys_->scratch().read("p256")), "E_KEY");
  EXPECT_EQ(codeOf(good + good), "E_KEY");
  EXPECT_EQ(codeOf(good + "text"), "E_KEY");
  EXPECT_EQ(codeOf("text\n" + good), "E_KEY");
  EXPECT_EQ(codeOf(good.substr(0, good.find("-----END"))), "E_KEY");
  EXPECT_EQ(codeOf(""), "E_KEY");
  std::string cut = good;
  cut.erase(cut.find('\n') + 5, 4);
  EXPECT_EQ(codeOf(cut), "E_KEY");
  for (const char* curve : {"P-521", "secp256k1"}) {
    keys_->scratch().shell(
        std::string("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:") + curve +
        " -out odd && openssl pkey -in odd -pubout -out odd.pub");
    EXPECT_EQ(codeOf(keys_->publicKey("odd")), "E_KEY") << curve;
  }
  // The same curve by its numbers, as a forged one would come.
  keys_->scratch().shell("openssl pkey -in p256 -pubout -ec_param_enc explicit -out odd.pub");
  EXPECT_EQ(codeOf(keys_->publicKey("odd")), "E_KEY");
}

TEST_F(PublicKeys, TheirFactsAreShownAsThoseOfOtherKeysAre) {
  const auto facts = inspectKey(keys_->publicKey("p256"), "/nonexistent");
  ASSERT_TRUE(facts) << facts.error().text();
  EXPECT_EQ(facts->fingerprint, keys_->trusted("p256").fingerprint);
  EXPECT_EQ(facts->userIds, std::vector<std::string>{"ECDSA P-256"});
}

}  // namespace
}  // namespace airlock::verifier
