// SPDX-License-Identifier: Apache-2.0
#include "store/signature_demand.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace airlock::store {
namespace {

namespace fs = std::filesystem;

KeyFingerprint key(char digit) {
  return KeyFingerprint::parse("sha256-" + std::string(64, digit)).value();
}

class Demand : public testing::Test {
 protected:
  Demand() {
    char name[] = "/tmp/airlock-demand-XXXXXX";
    top_ = ::mkdtemp(name);
    trust(key('a'));
    trust(key('b'));
  }
  ~Demand() override { fs::remove_all(top_); }
  void trust(const KeyFingerprint& fingerprint) {
    const fs::path folder = top_ / "trustedkeys/prefix.d/registry.example/team";
    fs::create_directories(folder);
    for (fs::path at = folder; at != top_; at = at.parent_path())
      fs::permissions(at, fs::perms(0755));
    std::ofstream(folder / fingerprint.text()) << "key";
    fs::permissions(folder / fingerprint.text(), fs::perms(0644));
  }
  static SignatureDemand demand(std::string_view name, std::string_view value) {
    SignatureDemand result;
    EXPECT_EQ(result.read(name, value).value(), true) << name;
    return result;
  }
  static ipc::CatalogRecord image(std::vector<ipc::Signer> signers) {
    return {.image = OciDigest(),
            .name = ImageName::parse("registry.example/team/web").value(),
            .labels = {{"version", "1.2"}},
            .signers = std::move(signers)};
  }
  std::string check(const SignatureDemand& demand, const ipc::CatalogRecord& record,
                    bool unsignedToo = false) const {
    const auto keys = KeyStore::open({top_});
    EXPECT_TRUE(keys) << keys.error().text();
    const auto met = checkDemand(demand, *keys, record, unsignedToo);
    return met ? "met" : met.error().code();
  }
  fs::path top_;
};

TEST_F(Demand, WithoutAWordOneTrustedKeyOfAnyKindIsEnough) {
  EXPECT_EQ(check({}, image({{key('a'), "", ipc::SignatureKind::Cosign}})), "met");
  EXPECT_EQ(check({}, image({})), "E_SIG_UNTRUSTED");
  EXPECT_EQ(check({}, image({{key('c'), "", ipc::SignatureKind::Cosign}})), "E_SIG_UNTRUSTED");
  EXPECT_EQ(check({}, image({}), true), "met");
}

TEST_F(Demand, AThresholdCountsKeysAndNotSignatures) {
  const SignatureDemand two = demand("signers", "2");
  const ipc::Signer a{key('a'), "", ipc::SignatureKind::Cosign};
  const ipc::Signer aAgain{key('a'), "", ipc::SignatureKind::Bundle};
  const ipc::Signer b{key('b'), "", ipc::SignatureKind::Bundle};
  const ipc::Signer stranger{key('c'), "", ipc::SignatureKind::Cosign};
  EXPECT_EQ(check(two, image({a, b})), "met");
  EXPECT_EQ(check(two, image({a, aAgain})), "E_SIG_THRESHOLD");
  EXPECT_EQ(check(two, image({a, stranger})), "E_SIG_THRESHOLD");
  EXPECT_EQ(check(two, image({stranger})), "E_SIG_UNTRUSTED");
}

TEST_F(Demand, OnlyTheKindsThatAreNamedCount) {
  const SignatureDemand cosign = demand("kinds", "cosign,simple");
  EXPECT_EQ(check(cosign, image({{key('a'), "", ipc::SignatureKind::Cosign}})), "met");
  EXPECT_EQ(check(cosign, image({{key('a'), "", ipc::SignatureKind::Bundle}})), "E_SIG_THRESHOLD");
  // Records from before kinds were kept say it by their key.
  EXPECT_EQ(kindOf({KeyFingerprint::parse(std::string(40, 'a')).value(), ""}),
            ipc::SignatureKind::OpenPgp);
  EXPECT_EQ(kindOf({KeyFingerprint::parse("minisign-0123456789abcdef").value(), ""}),
            ipc::SignatureKind::Minisign);
}

TEST_F(Demand, APinHoldsForSignedAndUnsignedImages) {
  const std::string pin = "sha256-" + std::string(64, '0');
  const std::string other = "sha256-" + std::string(64, '1');
  EXPECT_EQ(check(demand("digest", pin), image({}), true), "met");
  EXPECT_EQ(check(demand("digest", other + "," + pin), image({}), true), "met");
  EXPECT_EQ(check(demand("digest", other), image({}), true), "E_SIG_PIN");
  EXPECT_EQ(check(demand("digest", other), image({{key('a'), ""}})), "E_SIG_PIN");
  EXPECT_EQ(check(demand("digest", pin), image({})), "E_SIG_UNTRUSTED");
}

TEST_F(Demand, APinMayBeOfTheIndex) {
  ipc::CatalogRecord record = image({});
  const std::string pin = "sha256-" + std::string(64, '1');
  record.index = OciDigest::parse(pin).value();
  EXPECT_EQ(check(demand("digest", pin), record, true), "met");
  EXPECT_EQ(check(demand("digest", "sha256-" + std::string(64, '2')), record, true), "E_SIG_PIN");
}

TEST_F(Demand, WhatAnImageIsMadeOfIsAskedToo) {
  ipc::CatalogRecord whole = image({{key('a'), ""}, {key('b'), ""}});
  whole.dependencies.push_back({.image = OciDigest(),
                                .name = ImageName::parse("registry.example/team/base").value(),
                                .labels = {},
                                .signers = {{key('a'), ""}},
                                .rule = ""});
  EXPECT_EQ(check({}, whole), "met");
  EXPECT_EQ(check(demand("signers", "2"), whole), "E_SIG_THRESHOLD");
}

TEST_F(Demand, WhatIsNotUnderstoodIsRefused) {
  SignatureDemand result;
  EXPECT_EQ(result.read("net", "host").value(), false);
  for (const char* count : {"0", "9", "x", "", "-1", "2,"})
    EXPECT_FALSE(result.read("signers", count)) << count;
  for (const char* kinds : {"", "cosign,", "pgp", "Cosign", ",cosign"})
    EXPECT_FALSE(result.read("kinds", kinds)) << kinds;
  for (const char* digests : {"", "sha256-00", "x,"})
    EXPECT_FALSE(result.read("digest", digests)) << digests;
}

TEST_F(Demand, AnExplanationNamesKeysAndKinds) {
  EXPECT_EQ(saySigners(image({{key('a'), "", ipc::SignatureKind::Simple}})),
            "registry.example/team/web:1.2 is signed by " + key('a').text() + " (simple)");
  EXPECT_EQ(saySigners(image({})), "registry.example/team/web:1.2 is signed by nobody");
}

}  // namespace
}  // namespace airlock::store
