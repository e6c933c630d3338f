// SPDX-License-Identifier: Apache-2.0
// Every role as the real process, with work that is right and work that is wrong, for both
// starters.
#include "verifier/roles.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include "base/limits.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "verifier/authenticate/ed25519.h"
#include "verifier/authenticate/signing_for_test.h"
#include "verifier/role_for_test.h"
#include "verifier/scratch_for_test.h"

namespace airlock::verifier {
namespace {

constexpr const char* kManifest =
    R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/app","labels":[{"name":"version","value":"1.0"}]})";

class Roles : public ::testing::TestWithParam<Starter> {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    scratch_->write("manifest", kManifest);
    scratch_->shell(
        "mkdir -p rootfs/bin && echo hello > rootfs/bin/hello && ln -s hello rootfs/bin/alias");
    scratch_->shell("tar --owner=0 --group=0 --numeric-owner --mtime=@1 -cf tar manifest rootfs");
    scratch_->shell("gzip -c tar > aci");
    scratch_->shell(
        "gpg --batch -q --passphrase '' --quick-gen-key 'ada <ada@example.com>' ed25519 sign "
        "never");
    scratch_->shell(
        "gpg --batch -q -o signature --detach-sign aci && gpg --batch --armor --export -o key");
    scratch_->shell(
        "minisign -G -W -p mini.pub -s mini.sec && minisign -S -s mini.sec -m aci -x mini.sig");
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  void SetUp() override {
    if (GetParam() == Starter::Root && ::geteuid() != 0) GTEST_SKIP() << "needs root (another uid)";
  }

  static ipc::TrustedKey gpgKey() {
    const std::string listing = scratch_->shell("gpg --batch --with-colons --list-keys");
    std::string fingerprint = listing.substr(listing.find("\nfpr:::::::::") + 13, 40);
    for (char& c : fingerprint) c = static_cast<char>(std::tolower(c));
    return {KeyFingerprint::parse(fingerprint).value(), scratch_->read("key")};
  }
  static ipc::TrustedKey minisignKey() {
    const std::string content = scratch_->read("mini.pub");
    return {parseMinisignKey(content)->fingerprint().value(), content};
  }
  static Fd bundle(const std::vector<ipc::TrustedKey>& keys) {
    return std::move(Sealed::make("keys", ipc::encodeKeyBundle(keys).value()).value()).take();
  }
  // The reply as it came, or a Failure that says why none came.
  static ipc::VerifyReply answer(const std::string& role, const ipc::VerifyJob& job,
                                 std::vector<FdRef> fds) {
    auto finished = runRole(role, GetParam(), job, fds);
    if (!finished) {
      ADD_FAILURE() << finished.error().text();
      return ipc::Failure{std::move(finished.error())};
    }
    EXPECT_TRUE(finished->status.clean()) << finished->status.text();
    return std::move(finished->reply);
  }
  template <class T>
  static T expect(ipc::VerifyReply reply) {
    if (const auto* failure = std::get_if<ipc::Failure>(&reply)) {
      ADD_FAILURE() << failure->error.code() << " " << failure->error.text();
    }
    return std::get<T>(std::move(reply));
  }
  static std::string refusal(const ipc::VerifyReply& reply) {
    const auto* failure = std::get_if<ipc::Failure>(&reply);
    return failure == nullptr ? "accepted" : failure->error.code();
  }
  static ipc::VerifyReply authenticated(const std::string& image, const std::string& signature,
                                        const std::vector<ipc::TrustedKey>& keys) {
    const Fd data = pipeOf(image);
    const Fd file = fileOf(signature);
    const Fd ring = bundle(keys);
    return answer("authenticate", ipc::AuthenticateJob{}, {data, file, ring});
  }

  static std::unique_ptr<Scratch> scratch_;
};
std::unique_ptr<Scratch> Roles::scratch_;
INSTANTIATE_TEST_SUITE_P(Starters, Roles, ::testing::Values(Starter::Root, Starter::User),
                         [](const auto& one) {
                           return std::string(one.param == Starter::Root ? "Root" : "User");
                         });

TEST_P(Roles, AuthenticateAcceptsWhatATrustedKeySigned) {
  const auto openPgp = expect<ipc::Authenticated>(
      authenticated(scratch_->read("aci"), scratch_->read("signature"), {minisignKey(), gpgKey()}));
  EXPECT_TRUE(openPgp.accepted);
  ASSERT_EQ(openPgp.signatures.size(), 1U);
  EXPECT_EQ(openPgp.signatures[0].userId, "ada <ada@example.com>");
  const auto minisign = expect<ipc::Authenticated>(
      authenticated(scratch_->read("aci"), scratch_->read("mini.sig"), {minisignKey(), gpgKey()}));
  EXPECT_TRUE(minisign.accepted);
}

TEST_P(Roles, AuthenticateRefusesTheRest) {
  const auto other = expect<ipc::Authenticated>(
      authenticated(scratch_->read("tar"), scratch_->read("signature"), {gpgKey()}));
  EXPECT_FALSE(other.accepted);
  EXPECT_EQ(other.signatures[0].code, "E_SIG_BAD");
  const auto unknown = expect<ipc::Authenticated>(
      authenticated(scratch_->read("aci"), scratch_->read("signature"), {}));
  EXPECT_EQ(unknown.signatures[0].code, "E_SIG_NOKEY");
  EXPECT_EQ(refusal(authenticated(scratch_->read("aci"), "", {gpgKey()})), "E_SIG_KIND");
}

TEST_P(Roles, AuthenticateTakesOnlyASealedBundle) {
  const Fd data = fileOf(scratch_->read("aci"));
  const Fd signature = fileOf(scratch_->read("signature"));
  const Fd open = fileOf(ipc::encodeKeyBundle({gpgKey()}).value());
  EXPECT_EQ(refusal(answer("authenticate", ipc::AuthenticateJob{}, {data, signature, open})),
            "E_FD");
}

TEST_P(Roles, InspectKeySaysWhoseKeyItIs) {
  const Fd openPgp = fileOf(scratch_->read("key"));
  const auto facts = expect<ipc::KeyFacts>(answer("inspect-key", ipc::InspectKeyJob{}, {openPgp}));
  EXPECT_EQ(facts.fingerprint, gpgKey().fingerprint);
  const Fd minisign = fileOf(scratch_->read("mini.pub"));
  EXPECT_EQ(
      expect<ipc::KeyFacts>(answer("inspect-key", ipc::InspectKeyJob{}, {minisign})).fingerprint,
      minisignKey().fingerprint);
  const Fd nonsense = fileOf("nonsense");
  EXPECT_EQ(refusal(answer("inspect-key", ipc::InspectKeyJob{}, {nonsense})), "E_KEY");
}

TEST_P(Roles, AuthenticateVouchesForAnOciImageByEachKindOfSignature) {
  const SigningKeys keys;
  const ipc::OciSignature simple{.kind = ipc::OciSignature::Kind::Simple,
                                 .content = keys.gpg("-u ada@example.test --sign", atomicClaim()),
                                 .annotations = {}};
  std::vector<ipc::OciSignature> signatures = {simple};
  std::vector<ipc::TrustedKey> trusted = {keys.trustedGpg("ada")};
  for (const char* key : {"p256", "p384", "ed25519", "rsa"}) {
    signatures.push_back(cosign(cosignClaim(), keys.sign(key, cosignClaim())));
    trusted.push_back(keys.trusted(key));
  }
  const Fd sealed =
      std::move(Sealed::make("s", ipc::encodeOciSignatures(signatures).value()).value()).take();
  const Fd ring = bundle(trusted);
  const auto found = expect<ipc::Authenticated>(answer("authenticate", webJob(), {sealed, ring}));
  EXPECT_TRUE(found.accepted);
  ASSERT_EQ(found.signatures.size(), signatures.size());
  for (const ipc::SignatureVerdict& one : found.signatures)
    EXPECT_EQ(one.code, "good") << one.detail;
  const Fd pem = fileOf(keys.publicKey("rsa"));
  EXPECT_EQ(expect<ipc::KeyFacts>(answer("inspect-key", ipc::InspectKeyJob{}, {pem})).fingerprint,
            keys.trusted("rsa").fingerprint);
}

TEST_P(Roles, InflateWritesTheTarIntoThePipe) {
  for (const char* tool : {"cat", "gzip", "bzip2", "xz", "zstd -q"}) {
    scratch_->shell(std::string(tool) + " < tar > packed");
    const Fd in = pipeOf(scratch_->read("packed"));
    auto out = sys::pipe().value();
    const pid_t collector = ::fork();  // the pipe is smaller than the tar
    if (collector == 0) {
      out.writeEnd.reset();
      const auto got = sys::readAll(out.readEnd, limits::GiB);
      ::_exit(got && *got == scratch_->read("tar") ? 0 : 1);
    }
    out.readEnd.reset();
    const auto inflated = expect<ipc::Inflated>(
        answer("inflate", ipc::InflateJob{.most = limits::GiB}, {in, out.writeEnd}));
    EXPECT_EQ(inflated.bytesOut, scratch_->read("tar").size());
    out.writeEnd.reset();
    int status = -1;
    ASSERT_EQ(::waitpid(collector, &status, 0), collector);
    EXPECT_EQ(status, 0) << tool;
  }
}

TEST_P(Roles, InflateRefusesWhatIsNoImage) {
  const Fd in = fileOf("no image");
  const Fd out = fileOf("");
  EXPECT_EQ(refusal(answer("inflate", ipc::InflateJob{.most = limits::GiB}, {in, out})),
            "E_FILTER");
}

TEST_P(Roles, UnpackAndCheckMakeATree) {
  const Fd tar = pipeOf(scratch_->read("tar"));
  const Fd image = fileOf("");
  const Fd manifest = fileOf("");
  const auto unpacked =
      expect<ipc::Unpacked>(answer("unpack", ipc::UnpackJob{}, {tar, image, manifest}));
  EXPECT_EQ(unpacked.name.text(), "example.com/app");
  EXPECT_EQ(labelValue(unpacked.labels, "version"), "1.0");
  EXPECT_EQ(contentOf(manifest), kManifest);
  expect<ipc::Checked>(answer("check", ipc::CheckJob{}, {image}));
}

TEST_P(Roles, UnpackAndCheckRefuseWhatIsWrong) {
  const Fd tar = pipeOf(noise(5000));
  const Fd image = fileOf("");
  const Fd manifest = fileOf("");
  EXPECT_NE(refusal(answer("unpack", ipc::UnpackJob{}, {tar, image, manifest})), "accepted");
  EXPECT_EQ(contentOf(manifest), "");
  const Fd tree = fileOf(noise(8192));
  EXPECT_EQ(refusal(answer("check", ipc::CheckJob{}, {tree})), "E_EROFS");
}

TEST_P(Roles, AJobMustBeForTheRoleThatWasStarted) {
  const Fd image = fileOf("");
  EXPECT_EQ(refusal(answer("inflate", ipc::CheckJob{}, {image})), "E_ROLE");
  EXPECT_EQ(refusal(answer("nonsense", ipc::CheckJob{}, {image})), "E_ROLE");
  EXPECT_EQ(refusal(answer("check", ipc::CheckJob{}, {})), "E_FD");
  EXPECT_EQ(refusal(answer("check", ipc::CheckJob{}, {image, image})), "E_FD");
}

}  // namespace
}  // namespace airlock::verifier
