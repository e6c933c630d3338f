// SPDX-License-Identifier: Apache-2.0
// Who vouches for an OCI image: when it comes into root's store, and each time that it starts.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>

#include "tests/support/engine.h"
#include "tests/support/images.h"
#include "tests/support/oci_images.h"
#include "tests/support/shell.h"

namespace airlock::test {
namespace {

// The vendor's rule for root takes anything; an administrator's is meant here.
constexpr const char* kTrusting = "allow root * image=registry.test\n";

class OciTrust : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    files_ = std::make_unique<Scratch>();
    signer_ = std::make_unique<Signer>();
    image_ = makeOciImage({makeBusyboxLayer(*files_ / "busybox")});
    for (const char* key : {"a", "b"}) {
      must("cd " + files_->path() +
           "; openssl genpkey -algorithm EC -pkeyopt "
           "ec_paramgen_curve:P-256 -out " +
           key + "; openssl pkey -in " + key + " -pubout -out " + key + ".pub");
    }
  }
  static void TearDownTestSuite() {
    files_.reset();
    signer_.reset();
  }
  void SetUp() override {
    AIRLOCK_NEEDS_ROOT();
    engine_ = std::make_unique<Engine>();
    engine_->policy("10-trusting.policy", kTrusting);
  }

  static std::string fingerprintOf(const std::string& key) {
    return "sha256-" +
           must("openssl pkey -pubin -in " + *files_ / (key + ".pub") + " -outform DER | sha256sum")
               .substr(0, 64);
  }
  void trust(const std::string& key, const std::string& prefix = "registry.test/tools") {
    engine_->trustKey(fingerprintOf(key), readFile(*files_ / (key + ".pub")), prefix);
  }
  static std::string claim(const std::string& type, const std::string& reference,
                           const OciTestImage& image) {
    return R"({"critical":{"identity":{"docker-reference":")" + reference +
           R"("},"image":{"docker-manifest-digest":")" + ociText(*image.id().oci()) +
           R"("},"type":")" + type + R"("},"optional":{}})";
  }
  static ipc::OciSignature cosign(const std::string& key, const OciTestImage& image = image_,
                                  const std::string& reference = "registry.test/tools/busybox") {
    const std::string payload = claim("cosign container image signature", reference, image);
    writeFile(*files_ / "payload", payload);
    const std::string signature = must("cd " + files_->path() + "; openssl dgst -sha256 -sign " +
                                       key + " payload | base64 -w0");
    return {.kind = ipc::OciSignature::Kind::Cosign,
            .content = payload,
            .annotations = R"({"dev.cosignproject.cosign/signature":")" + signature + "\"}"};
  }
  static ipc::OciSignature simple(const std::string& options = "") {
    writeFile(*files_ / "claim",
              claim("atomic container signature", "registry.test/tools/busybox:1.35", image_));
    return {.kind = ipc::OciSignature::Kind::Simple,
            .content = signer_->signMessage(*files_ / "claim", options),
            .annotations = {}};
  }
  OciReply importWith(std::vector<ipc::OciSignature> signatures) {
    return importOci(*engine_, image_, {.signatures = std::move(signatures)});
  }
  std::string codeOf(std::vector<ipc::OciSignature> signatures) {
    return importWith(std::move(signatures)).reply.code();
  }
  // "" when it starts.
  std::string start() {
    Streams streams = makeStreams();
    Reply reply = engine_->ask(runRequest(image_.id(), {"/bin/true"}), streams.refs());
    if (reply.code().empty()) {
      RunningPod pod = takePod(reply);
      static_cast<void>(eventsOf(pod));
    }
    return reply.code();
  }

  static inline std::unique_ptr<Scratch> files_;
  static inline std::unique_ptr<Signer> signer_;
  static inline OciTestImage image_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(OciTrust, ACosignSignatureByATrustedKeyLetsItInAndRun) {
  EXPECT_EQ(codeOf({cosign("a")}), "E_SIG_NOKEY");
  trust("a");
  const OciReply done = importWith({cosign("a")});
  ASSERT_EQ(done.reply.code(), "") << done.reply.text();
  const auto images = engine_->images();
  ASSERT_EQ(images.size(), 1U);
  ASSERT_EQ(images[0].signers.size(), 1U);
  EXPECT_EQ(images[0].signers[0].fingerprint.text(), fingerprintOf("a"));
  EXPECT_EQ(images[0].signers[0].kind, ipc::SignatureKind::Cosign);
  EXPECT_EQ(start(), "");
}

TEST_F(OciTrust, ASimpleSignatureByATrustedKeyLetsItIn) {
  engine_->trust(*signer_, "registry.test/tools");
  const OciReply done = importWith({simple()});
  EXPECT_EQ(done.reply.code(), "") << done.reply.text();
  EXPECT_EQ(engine_->images().at(0).signers.at(0).kind, ipc::SignatureKind::Simple);
  EXPECT_EQ(start(), "");
}

TEST_F(OciTrust, S27_ASignatureOfAnotherImageOrRepositoryIsRefused) {
  trust("a");
  const OciTestImage other = makeOciImage({makeOciLayer(*files_ / "other", "echo x > x")});
  EXPECT_EQ(codeOf({cosign("a", other)}), "E_SIG_DIGEST");
  EXPECT_EQ(codeOf({cosign("a", image_, "registry.test/tools/other")}), "E_SIG_IDENTITY");
  EXPECT_EQ(codeOf({cosign("a", image_, "registry.test/tools/busybox:1.34")}), "E_SIG_IDENTITY");
  EXPECT_TRUE(engine_->images().empty());
}

TEST_F(OciTrust, AKeyThatIsTakenAwayStopsTheNextStart) {
  trust("a");
  ASSERT_EQ(codeOf({cosign("a")}), "");
  EXPECT_EQ(start(), "");
  must("rm -r " + engine_->config() + "/trustedkeys");
  EXPECT_EQ(start(), "E_SIG_UNTRUSTED");
}

TEST_F(OciTrust, PolicyDemandsSeveralKeysAtImportAndAtStart) {
  trust("a");
  trust("b");
  engine_->policy("10-trusting.policy", "allow root * image=registry.test signers=2\n");
  EXPECT_EQ(codeOf({cosign("a")}), "E_SIG_THRESHOLD");
  EXPECT_EQ(codeOf({cosign("a"), cosign("a")}), "E_SIG_THRESHOLD");
  const OciReply done = importWith({cosign("a"), cosign("b")});
  EXPECT_EQ(done.reply.code(), "") << done.reply.text();
  EXPECT_EQ(start(), "");
  engine_->policy("10-trusting.policy", "allow root * image=registry.test signers=3\n");
  EXPECT_EQ(start(), "E_SIG_THRESHOLD");
}

TEST_F(OciTrust, PolicySaysWhichKindsOfSignatureCount) {
  trust("a");
  engine_->policy("10-trusting.policy", "allow root * image=registry.test kinds=bundle,simple\n");
  EXPECT_EQ(codeOf({cosign("a")}), "E_SIG_THRESHOLD");
  engine_->policy("10-trusting.policy", "allow root * image=registry.test kinds=cosign\n");
  EXPECT_EQ(codeOf({cosign("a")}), "");
  EXPECT_EQ(start(), "");
  engine_->policy("10-trusting.policy", "allow root * image=registry.test kinds=simple\n");
  EXPECT_EQ(start(), "E_SIG_THRESHOLD");
}

TEST_F(OciTrust, S28_APinLetsAnUnsignedImageInWithoutAFlagAndNoOther) {
  const auto pin = [](const ImageId& image) {
    return "allow root * image=registry.test signer=any digest=" + image.text() + "\n";
  };
  engine_->policy("10-trusting.policy", pin(makeOciImage({}).id()));
  EXPECT_EQ(codeOf({}), "E_SIG_MISSING");
  engine_->policy("10-trusting.policy", pin(image_.id()));
  const OciReply done = importWith({});
  EXPECT_EQ(done.reply.code(), "") << done.reply.text();
  EXPECT_TRUE(engine_->images().at(0).signers.empty());
  EXPECT_EQ(start(), "");
  engine_->policy("10-trusting.policy", pin(makeOciImage({}).id()));
  EXPECT_EQ(start(), "E_SIG_PIN");
}

TEST_F(OciTrust, S05_APinDoesNotMakeUpForASignatureThatWasChanged) {
  engine_->trust(*signer_, "registry.test/tools");
  engine_->policy("10-trusting.policy", "allow root * image=registry.test signer=any digest=" +
                                            image_.id().text() + "\n");
  ipc::OciSignature changed = simple("-z 0");
  changed.content.replace(changed.content.find("busybox"), 7, "busyb0x");
  EXPECT_EQ(codeOf({changed}), "E_SIG_BAD");
}

TEST_F(OciTrust, ALogThatIsTrustedForANameMustHaveTheSignature) {
  trust("a");
  const std::string folder = engine_->config() + "/trustedkeys/rekor.d/registry.test";
  must("mkdir -p " + folder);
  writeFile(folder + "/" + fingerprintOf("b"), readFile(*files_ / "b.pub"));
  EXPECT_EQ(codeOf({cosign("a")}), "E_SIG_LOG");
  // It does not vouch.
  EXPECT_EQ(codeOf({cosign("b")}), "E_SIG_NOKEY");
}

TEST_F(OciTrust, AnExplanationNamesWhoVouches) {
  trust("a");
  ASSERT_EQ(codeOf({cosign("a")}), "");
  const Reply reply = engine_->ask(
      ipc::ExplainRequest{.what = runRequest(image_.id(), {"/bin/true"}), .asUser = {}});
  ASSERT_EQ(reply.code(), "") << reply.text();
  const auto& explained = reply.as<ipc::Explained>();
  EXPECT_TRUE(explained.allowed);
  ASSERT_FALSE(explained.reasons.empty());
  EXPECT_NE(explained.reasons[0].find(fingerprintOf("a") + " (cosign)"), std::string::npos)
      << explained.reasons[0];
}

}  // namespace
}  // namespace airlock::test
