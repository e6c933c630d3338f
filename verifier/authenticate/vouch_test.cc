// SPDX-License-Identifier: Apache-2.0
// Signatures of cosign's first format and of containers, good and manipulated.
#include "verifier/authenticate/vouch.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "verifier/authenticate/signing_for_test.h"

namespace airlock::verifier {
namespace {

constexpr std::string_view kOther =
    "sha256:0000000000000000000000000000000000000000000000000000000000000001";

class Vouch : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    keys_ = std::make_unique<SigningKeys>();
    homes_ = std::make_unique<Scratch>();
  }
  static void TearDownTestSuite() {
    keys_.reset();
    homes_.reset();
  }
  static std::vector<ipc::TrustedKey> everyKey() {
    return {keys_->trusted("p256"), keys_->trusted("p384"), keys_->trusted("ed25519"),
            keys_->trusted("rsa"), keys_->trustedGpg("ada")};
  }
  static ipc::Authenticated judge(const std::vector<ipc::OciSignature>& signatures,
                                  const ipc::VouchJob& job = webJob()) {
    auto found = vouch(job, signatures, everyKey(), homes_->emptyDirectory());
    EXPECT_TRUE(found) << found.error().text();
    return found.value_or(ipc::Authenticated{});
  }
  static std::string codeOf(const ipc::OciSignature& signature,
                            const ipc::VouchJob& job = webJob()) {
    const auto found = judge({signature}, job);
    if (found.signatures.size() != 1) return "none";
    EXPECT_EQ(found.accepted, found.signatures.front().code == "good");
    return found.signatures.front().code;
  }
  static std::string cosignCode(const std::string& payload, const ipc::VouchJob& job = webJob()) {
    return codeOf(cosign(payload, keys_->sign("p256", payload)), job);
  }
  static ipc::OciSignature simple(const std::string& content,
                                  const std::string& how = "-u ada@example.test --sign") {
    return {.kind = ipc::OciSignature::Kind::Simple, .content = keys_->gpg(how, content)};
  }
  static std::string cosignOf(std::string_view reference) {
    return claimOf(ociText(sha256Of(kManifestBytes)), reference,
                   "cosign container image signature");
  }
  static std::string simpleOf(std::string_view reference) {
    return claimOf(ociText(sha256Of(kManifestBytes)), reference, "atomic container signature");
  }
  static std::string replaced(std::string text, std::string_view from, std::string_view to) {
    return text.replace(text.find(from), from.size(), to);
  }
  static inline std::unique_ptr<SigningKeys> keys_;
  static inline std::unique_ptr<Scratch> homes_;
};

TEST_F(Vouch, ACosignSignatureByEachKindOfKeyIsGood) {
  for (const char* key : {"p256", "p384", "ed25519", "rsa"}) {
    const auto found = judge({cosign(cosignClaim(), keys_->sign(key, cosignClaim()))});
    ASSERT_EQ(found.signatures.size(), 1U);
    EXPECT_EQ(found.signatures[0].code, "good") << key << found.signatures[0].detail;
    EXPECT_EQ(found.signatures[0].fingerprint, keys_->trusted(key).fingerprint.text());
    EXPECT_EQ(found.signatures[0].kind, ipc::SignatureKind::Cosign);
    EXPECT_EQ(found.signatures[0].loggedAt, 0);
    EXPECT_TRUE(found.accepted);
  }
}

TEST_F(Vouch, ACosignClaimMayLackOptionalAndBeOfTheIndex) {
  EXPECT_EQ(cosignCode(replaced(cosignClaim(), R"("optional":{})", R"("optional":null)")), "good");
  EXPECT_EQ(cosignCode(replaced(cosignClaim(), R"(,"optional":{})", "")), "good");
  ipc::VouchJob job = webJob();
  job.digests.insert(job.digests.begin(), sha256Of("the manifest for this machine"));
  EXPECT_EQ(cosignCode(cosignClaim(), job), "good");
}

TEST_F(Vouch, S27_WhatIsCriticalIsUnderstoodWholeOrRefused) {
  const std::string good = cosignClaim();
  EXPECT_EQ(cosignCode(replaced(good, R"("type":)", R"("expires":1,"type":)")), "E_SIG_KIND");
  EXPECT_EQ(cosignCode(replaced(good, R"("optional":{})", R"("optional":{},"more":1)")),
            "E_SIG_KIND");
  EXPECT_EQ(cosignCode(replaced(good, R"("image":{)", R"("image":{"x":1,)")), "E_SIG_KIND");
  EXPECT_EQ(cosignCode(replaced(good, R"("identity":{)", R"("identity":{"x":1,)")), "E_SIG_KIND");
  // A member twice: which one counts is what two readers disagree about.
  EXPECT_EQ(cosignCode(replaced(good, R"("optional":{})", R"("optional":{},"optional":{})")),
            "E_SIG_KIND");
  EXPECT_EQ(cosignCode(replaced(good, R"("type":)", R"("type":"x","type":)")), "E_SIG_KIND");
  EXPECT_EQ(cosignCode(replaced(good, "cosign container", "atomic container")), "E_SIG_KIND");
  EXPECT_EQ(cosignCode(replaced(good, "sha256:", "sha512:")), "E_SIG_KIND");
  EXPECT_EQ(cosignCode("{}"), "E_SIG_KIND");
  EXPECT_EQ(cosignCode("[]"), "E_SIG_KIND");
  EXPECT_EQ(cosignCode("x"), "E_SIG_KIND");
}

TEST_F(Vouch, S27_ASignatureOfAnotherManifestIsNotThisOnes) {
  EXPECT_EQ(cosignCode(claimOf(kOther, "registry.example:5000/team/web",
                               "cosign container image signature")),
            "E_SIG_DIGEST");
  EXPECT_EQ(codeOf(simple(claimOf(kOther, "registry.example:5000/team/web:1.2",
                                  "atomic container signature"))),
            "E_SIG_DIGEST");
}

TEST_F(Vouch, S27_ASignatureOfAnotherRepositoryOrTagIsNotThisOnes) {
  for (const char* reference :
       {"registry.example:5000/team/web:1.2", "registry.example:5000/team/web",
        "REGISTRY.example:5000/team/web:1.2"}) {
    EXPECT_EQ(cosignCode(cosignOf(reference)), "good") << reference;
  }
  for (const char* reference :
       {"registry.example:5000/team/web:1.3", "registry.example:5000/team/other:1.2",
        "registry.example/team/web:1.2", "registry.example:5000/team", "team/web:1.2", "",
        "registry.example:5000/team/web:1.2:3"}) {
    EXPECT_EQ(cosignCode(cosignOf(reference)), "E_SIG_IDENTITY") << reference;
    EXPECT_EQ(codeOf(simple(simpleOf(reference))), "E_SIG_IDENTITY") << reference;
  }
  const std::string pinned = "registry.example:5000/team/web@";
  EXPECT_EQ(cosignCode(cosignOf(pinned + ociText(sha256Of(kManifestBytes)))), "good");
  EXPECT_EQ(cosignCode(cosignOf(pinned + std::string(kOther))), "E_SIG_IDENTITY");
}

TEST_F(Vouch, ASimpleSignatureNamesTheTagUnlessADigestWasAskedFor) {
  EXPECT_EQ(codeOf(simple(simpleOf("registry.example:5000/team/web"))), "E_SIG_IDENTITY");
  ipc::VouchJob job = webJob();
  job.version.clear();
  EXPECT_EQ(codeOf(simple(simpleOf("registry.example:5000/team/web")), job), "good");
  EXPECT_EQ(codeOf(simple(simpleOf("registry.example:5000/team/web:9")), job), "good");
  EXPECT_EQ(codeOf(simple(simpleOf("registry.example:5000/team/x:9")), job), "E_SIG_IDENTITY");
}

TEST_F(Vouch, DockerHubHasOneNameHoweverItIsWritten) {
  ipc::VouchJob job = webJob();
  job.name = ImageName::parse("registry-1.docker.io/library/busybox").value();
  for (const char* reference :
       {"busybox:1.2", "docker.io/busybox:1.2", "index.docker.io/library/busybox:1.2",
        "docker.io/library/busybox:1.2"}) {
    EXPECT_EQ(cosignCode(cosignOf(reference), job), "good") << reference;
    EXPECT_EQ(codeOf(simple(simpleOf(reference)), job), "good") << reference;
  }
  EXPECT_EQ(cosignCode(cosignOf("docker.io/evil/busybox:1.2"), job), "E_SIG_IDENTITY");
}

TEST_F(Vouch, ASignatureByNobodyWeTrustIsWorthNothing) {
  const auto found = judge({cosign(cosignClaim(), keys_->sign("other", cosignClaim()))});
  ASSERT_EQ(found.signatures.size(), 1U);
  EXPECT_EQ(found.signatures[0].code, "E_SIG_NOKEY");
  EXPECT_TRUE(found.signatures[0].fingerprint.empty());
  // Good for something else, and put beside another payload.
  EXPECT_EQ(codeOf(cosign(cosignOf("registry.example:5000/team/web:1.2"),
                          keys_->sign("p256", cosignClaim()))),
            "E_SIG_NOKEY");
  const std::string der = keys_->sign("p256", cosignClaim());
  EXPECT_EQ(codeOf(cosign(cosignClaim(), der.substr(0, der.size() - 3))), "E_SIG_NOKEY");
  EXPECT_EQ(codeOf(simple(atomicClaim(), "-u eve@example.test --sign")), "E_SIG_NOKEY");
}

TEST_F(Vouch, AnnotationsThatAreMalformedAreNoSignature) {
  ipc::OciSignature signature = cosign(cosignClaim(), keys_->sign("p256", cosignClaim()));
  const std::string good = signature.annotations;
  for (const std::string& bad :
       {std::string("{}"), std::string("x"), std::string("[]"),
        good.substr(0, good.size() - 3) + "\"}", replaced(good, R"(":")", R"(":" )"),
        std::string(R"({"dev.cosignproject.cosign/signature":""})"),
        std::string(R"({"dev.cosignproject.cosign/signature":1})"),
        good.substr(0, good.size() - 1) + "," + good.substr(1)}) {
    signature.annotations = bad;
    EXPECT_EQ(codeOf(signature), "E_SIG_KIND") << bad;
  }
}

TEST_F(Vouch, AKeylessSignatureIsOfAKindThatIsNotAccepted) {
  const auto found = judge({cosign(cosignClaim(), keys_->sign("other", cosignClaim()),
                                   R"(,"dev.sigstore.cosign/certificate":"-----BEGIN")")});
  EXPECT_EQ(found.signatures.at(0).code, "E_SIG_KIND");
  EXPECT_NE(found.signatures.at(0).detail.find("keyless"), std::string::npos);
}

TEST_F(Vouch, ASimpleSignatureIsGoodCompressedOrNot) {
  for (const char* how : {"-u ada@example.test --sign", "-u ada@example.test -z 0 --sign",
                          "-u ada@example.test --compress-algo zlib --sign",
                          "-u ada@example.test --digest-algo SHA256 --sign"}) {
    const auto found = judge({simple(atomicClaim(), how)});
    ASSERT_EQ(found.signatures.size(), 1U);
    EXPECT_EQ(found.signatures[0].code, "good") << how << " " << found.signatures[0].detail;
    EXPECT_EQ(found.signatures[0].fingerprint, keys_->trustedGpg("ada").fingerprint.text());
    EXPECT_EQ(found.signatures[0].kind, ipc::SignatureKind::Simple);
    EXPECT_EQ(found.signatures[0].userId, "ada@example.test");
  }
}

TEST_F(Vouch, S27_OnlyASignedMessageOfOneSignatureIsASimpleSignature) {
  for (const char* how :
       {"-u ada@example.test --clear-sign", "-u ada@example.test --detach-sign",
        "-u ada@example.test --armor --sign", "-u ada@example.test --textmode --sign",
        "-u ada@example.test -u eve@example.test --sign", "-u ada@example.test -z 0 --store",
        "--store"}) {
    EXPECT_EQ(codeOf(simple(atomicClaim(), how)), "E_SIG_KIND") << how;
  }
  ipc::OciSignature plain{.kind = ipc::OciSignature::Kind::Simple, .content = atomicClaim()};
  EXPECT_EQ(codeOf(plain), "E_SIG_KIND");
  plain.content.clear();
  EXPECT_EQ(codeOf(plain), "E_SIG_KIND");
  ipc::OciSignature twice = simple(atomicClaim(), "-u ada@example.test -z 0 --sign");
  const std::string good = twice.content;
  twice.content += good;
  EXPECT_EQ(codeOf(twice), "E_SIG_KIND");
  for (std::size_t cut = 0; cut < good.size(); cut += 7) {
    twice.content = good.substr(0, cut);
    EXPECT_EQ(codeOf(twice), "E_SIG_KIND") << cut;
  }
}

TEST_F(Vouch, S27_TheClaimInASimpleSignatureIsReadAsStrictly) {
  const std::string good = atomicClaim();
  EXPECT_EQ(codeOf(simple(replaced(good, R"(,"optional":{})", ""))), "E_SIG_KIND");
  EXPECT_EQ(codeOf(simple(replaced(good, R"("optional":{})", R"("optional":null)"))), "E_SIG_KIND");
  EXPECT_EQ(codeOf(simple(replaced(good, R"("type":)", R"("more":1,"type":)"))), "E_SIG_KIND");
  EXPECT_EQ(codeOf(simple(replaced(good, R"("type":)", R"("type":"x","type":)"))), "E_SIG_KIND");
  EXPECT_EQ(codeOf(simple(replaced(good, "atomic", "cosign"))), "E_SIG_KIND");
  EXPECT_EQ(codeOf(simple(
                replaced(good, R"("optional":{})", R"("optional":{"creator":"x","timestamp":1})"))),
            "good");
}

TEST_F(Vouch, S05_AForgedMessageInTheNameOfATrustedKeyRefusesTheImage) {
  ipc::OciSignature forged = simple(atomicClaim(), "-u ada@example.test -z 0 --sign");
  forged.content = replaced(forged.content, "team/web:1.2", "team/web:1.3");
  const auto found = judge({cosign(cosignClaim(), keys_->sign("p256", cosignClaim())), forged});
  ASSERT_EQ(found.signatures.size(), 2U);
  EXPECT_EQ(found.signatures[0].code, "E_SIG_BAD");
  EXPECT_EQ(found.signatures[0].fingerprint, keys_->trustedGpg("ada").fingerprint.text());
  EXPECT_FALSE(found.accepted);
}

TEST_F(Vouch, WhatSomebodyElseAttachesDoesNotHideTheGoodOne) {
  std::vector<ipc::OciSignature> attached(
      limits::kOciAttachments - 2, cosign(cosignClaim(), keys_->sign("other", cosignClaim())));
  attached.push_back(simple(atomicClaim()));
  attached.push_back(cosign(cosignClaim(), keys_->sign("p256", cosignClaim())));
  const auto found = judge(attached);
  ASSERT_EQ(found.signatures.size(), limits::kSignatures);
  EXPECT_TRUE(found.accepted);
  EXPECT_EQ(found.signatures[0].code, "good");
  EXPECT_EQ(found.signatures[1].code, "good");
}

TEST_F(Vouch, ATrustedKeyFileThatIsNotWhatItsNameSaysRefusesEverything) {
  ipc::TrustedKey renamed = keys_->trusted("p256");
  renamed.content = keys_->publicKey("other");
  const auto found = vouch(webJob(), {}, {renamed}, homes_->emptyDirectory());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), "E_KEY");
}

TEST_F(Vouch, ALogsKeyVouchesForNoImage) {
  const auto found = vouch(webJob(), {cosign(cosignClaim(), keys_->sign("log", cosignClaim()))},
                           {keys_->trustedLog("log")}, homes_->emptyDirectory());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->signatures.at(0).code, "E_SIG_NOKEY");
}

}  // namespace
}  // namespace airlock::verifier
