// SPDX-License-Identifier: Apache-2.0
// airlock attest verify and challenge, as their users meet them: a directory or an archive in, a
// report and an exit status out.  A plain user, no TPM, no helper.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/accounts.h"
#include "base/process.h"
#include "base/syscall.h"
#include "ipc/verify_messages.h"
#include "tests/attest/audited_host.h"
#include "tests/attest/maker.h"

namespace airlock::attest::test {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Outcome {
  int code = -1;
  std::string output;
  std::string errors;
};

class Command : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    host_ = new QuotedHost();
    host_->run(2);
    good_ = new Files(host_->quote());
  }
  static void TearDownTestSuite() {
    delete good_;
    delete host_;
  }
  void SetUp() override {
    std::filesystem::permissions(place_.path(), std::filesystem::perms(0777));
    write(*good_);
    place_.write("ak.pem", host_->pem());
    place_.write("ak.pub", host_->publicArea());
  }
  void write(const Files& files) {
    std::filesystem::remove_all(place_.path() + "/evidence");
    std::filesystem::create_directory(place_.path() + "/evidence");
    for (const auto& [name, content] : files) place_.write("evidence/" + name, content);
  }
  std::string at(const std::string& name) const { return place_.path() + "/" + name; }

  Outcome run(std::vector<std::string> arguments, bool asNobody = false) const {
    return runAs("attest", std::move(arguments), asNobody);
  }
  Outcome runAs(const std::string& group, std::vector<std::string> arguments,
                bool asNobody = false) const {
    arguments.insert(arguments.begin(), {"airlock", group});
    const Fd program = sys::openPath(AIRLOCK_BINARY_DIR "/bin/airlock", O_RDONLY).value();
    const Fd out = sys::openPath(at("out"), O_RDWR | O_CREAT | O_TRUNC, 0600).value();
    const Fd err = sys::openPath(at("err"), O_RDWR | O_CREAT | O_TRUNC, 0600).value();
    std::optional<Identity> identity;
    if (asNobody) {
      const Account nobody = requireUser("nobody").value();
      identity = Identity{nobody.uid, nobody.gid, {}};
    }
    Child child = spawn({.executable = program,
                         .arguments = arguments,
                         .environment = {"HOME=" + place_.path()},
                         .descriptors = {{out, 1}, {err, 2}},
                         .identity = identity})
                      .value();
    const int code = child.wait().value().shellCode();
    return {code, place_.read("out"), place_.read("err")};
  }
  Outcome verify(std::vector<std::string> more = {}, const std::string& evidence = "evidence") {
    std::vector<std::string> arguments{"verify", "--ak", at("ak.pem"), "--nonce", kNonceHex};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(at(evidence));
    return run(arguments);
  }

  tpm::test::TemporaryDirectory place_;
  static QuotedHost* host_;
  static Files* good_;
};
QuotedHost* Command::host_ = nullptr;
Files* Command::good_ = nullptr;

TEST_F(Command, TellsWhatRanAndEndsWithZero) {
  const Outcome outcome = verify();
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, testing::StartsWith("accepted"));
  EXPECT_THAT(outcome.output, HasSubstr("example.com/app"));
  EXPECT_THAT(outcome.output, HasSubstr("signed by 0123456789abcdef0123456789abcdef01234567"));
  EXPECT_THAT(outcome.output, HasSubstr("software TPM, which proves nothing"));
}

TEST_F(Command, ARevokedKeyIsRefusedWithItsOwnStatusAndAListThatCannotBeReadIsOurOwnMistake) {
  prepareOpenssl();
  place_.write("revoked", Key::fromPem(host_->pem())->fingerprint() + "  # sold\n");
  const Outcome refused = verify({"--revoked", at("revoked")});
  EXPECT_EQ(refused.code, 22) << refused.errors;
  EXPECT_THAT(refused.output, HasSubstr("E_ATTEST_REVOKED"));
  place_.write("revoked", "host17\n");
  const Outcome unread = verify({"--revoked", at("revoked")});
  EXPECT_EQ(unread.code, 1);
  EXPECT_THAT(unread.errors, HasSubstr("line 1"));
  place_.write("revoked", "# nobody yet\n");
  EXPECT_EQ(verify({"--revoked", at("revoked")}).code, 0);
  place_.write("revoked", "000b" + std::string(64, '0') + "\n");
  const Outcome byName = verify({"--revoked", at("revoked")});
  EXPECT_EQ(byName.code, 1);
  EXPECT_THAT(byName.errors, HasSubstr("given as PEM"));
}

TEST_F(Command, ListsOfRevokedCertificatesComeFromFilesAndDirectoriesInPemAndDer) {
  Maker maker;
  Maker other("TPM 9000", nullptr, "Another maker");
  Files files = *good_;
  files["ek.crt"] = maker.certify(*host_);
  write(files);
  place_.write("roots.pem", maker.root());
  std::filesystem::create_directory(at("crls"));
  place_.write("crls/one.pem", other.crl());
  place_.write("pem", maker.crl());
  ASSERT_EQ(
      std::system(
          ("openssl crl -in " + at("pem") + " -outform DER -out " + at("crls/two.crl")).c_str()),
      0);
  // swtpm's host says itself that its TPM is a program, so that no certificate helps it.
  EXPECT_EQ(verify({"--ek-roots", at("roots.pem"), "--crl", at("crls")}).code, 0);
  EXPECT_EQ(
      verify({"--ek-roots", at("roots.pem"), "--crl", at("crls/one.pem"), "--crl", at("pem")}).code,
      0);
  EXPECT_EQ(verify({"--crl", at("crls")}).code, 2);
  EXPECT_EQ(verify({"--ek-roots", at("roots.pem"), "--crl", at("roots.pem")}).code, 1);
  // At enrolment the certificate itself is what is looked at.
  const auto challenge = [&](const std::string& list, const std::string& name) {
    place_.write("ek.crt", files["ek.crt"]);
    return run({"challenge", "--ek", at("ek.crt"), "--ek-roots", at("roots.pem"), "--crl", at(list),
                "--ak-pub", at("ak.pub"), "-o", at(name), "--secret", at(name + ".secret")});
  };
  const Outcome good = challenge("crls", "first");
  EXPECT_EQ(good.code, 0) << good.errors;
  maker.revoke();
  place_.write("pem", maker.crl());
  const Outcome refused = challenge("pem", "second");
  EXPECT_EQ(refused.code, 23);
  EXPECT_THAT(refused.errors, HasSubstr("revoked"));
  EXPECT_FALSE(place_.has("second.secret"));
}

TEST_F(Command, AnArchiveIsAsGoodAsADirectory) {
  place_.write("host.evidence", archive(*good_));
  EXPECT_EQ(verify({}, "host.evidence").code, 0);
  // And one that tar made.
  const std::string command =
      "tar --format=ustar -C " + at("evidence") + " -cf " + at("tar.evidence") + " .";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const Outcome outcome = verify({}, "tar.evidence");
  EXPECT_EQ(outcome.code, 0) << outcome.output << outcome.errors;
}

TEST_F(Command, ADirectoryThatIsLargerThanEvidenceMayBeIsNotReadIntoMemory) {
  for (const char* name : {"one", "two", "three"}) {
    place_.write(std::string("evidence/") + name, "");
    std::filesystem::resize_file(at(std::string("evidence/") + name), 100 << 20);
  }
  const Outcome outcome = verify();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("too large"));
}

TEST_F(Command, APlainUserCanVerify) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root (another uid)";
  std::filesystem::permissions(at("evidence"), std::filesystem::perms(0755));
  const Outcome outcome = run(
      {"verify", "--ak", at("ak.pem"), "--nonce", kNonceHex, at("evidence")}, /*asNobody=*/true);
  EXPECT_EQ(outcome.code, 0) << outcome.output << outcome.errors;
}

TEST_F(Command, EveryKindOfRefusalHasItsExitStatus) {
  const auto code = [&](const Edit& edit, std::vector<std::string> more = {}) {
    Files files = *good_;
    edit(files);
    write(files);
    return verify(std::move(more)).code;
  };
  EXPECT_EQ(code([](Files& files) { files["events.cel"].pop_back(); }), 16);
  EXPECT_EQ(code([](Files& files) { files["quote"][40] ^= 1; }), 16);
  EXPECT_EQ(code([](Files& files) { files.erase("quote"); }), 16);
  place_.write("fleet.json", R"({"airlockFleetPolicy":1,"images":{"golden":[]}})");
  EXPECT_EQ(code([](Files&) {}, {"--policy", at("fleet.json")}), 20);
  EXPECT_EQ(code([](Files&) {}, {"--nonce", std::string(32, 'a')}), 21);
  place_.write("ak.pem", SoftKey().pem());
  EXPECT_EQ(code([](Files&) {}), 22);
  place_.write("ak.pem", host_->pem());
  place_.write("roots.pem", "");
  EXPECT_EQ(code([](Files&) {}, {"--require-hardware", "--ek-roots", at("roots.pem")}), 1);
  EXPECT_EQ(code([](Files&) {}, {"--require-hardware"}), 2);
  EXPECT_EQ(code([](Files&) {}, {"--nonce", "12"}), 2);
  place_.write("fleet.json", "{}");
  EXPECT_EQ(code([](Files&) {}, {"--policy", at("fleet.json")}), 1);
}

TEST_F(Command, TheReportIsAPageForABrowserToo) {
  const Outcome good = verify({"--html"});
  EXPECT_EQ(good.code, 0) << good.errors;
  EXPECT_THAT(good.output, testing::StartsWith("<!DOCTYPE html>"));
  for (const char* part :
       {">accepted<", "What ran, in this order", "example.com/app", "Who signed",
        "What was not enforced", "software TPM, which proves nothing", ">replay<"})
    EXPECT_THAT(good.output, HasSubstr(part));
  const Outcome other = verify({"--html", "--nonce", std::string(32, 'a')});
  EXPECT_EQ(other.code, 21);
  EXPECT_THAT(other.output, HasSubstr(">refused<"));
  EXPECT_THAT(other.output, HasSubstr("E_ATTEST_NONCE"));
  EXPECT_EQ(verify({"--html", "--json"}).code, 2);
}

// What stands on the page comes from a host that nobody trusts.
TEST_F(Command, NothingThatTheHostSaysIsMarkupOnThePage) {
  const std::string hostile = "</code><script>alert(1)</script><img src=x onerror=alert(1)>";
  ipc::MeasureJob job = tpm::test::podJob();
  job.engine.layers.push_back({.name = hostile, .enforced = false, .detail = hostile});
  job.images[0].rule = job.images[0].origin = hostile;
  std::get<ipc::PodFacts>(*job.event).network = hostile;
  std::get<ipc::PodFacts>(*job.event).volumes = {hostile};
  QuotedHost host;
  host.run(job);
  Files files = host.quote();
  place_.write("ak.pem", host.pem());
  write(files);
  const Outcome accepted = verify({"--html"});
  EXPECT_EQ(accepted.code, 0) << accepted.output;
  EXPECT_THAT(accepted.output, HasSubstr("&lt;script&gt;"));
  // And where the evidence itself is what a refusal speaks of.
  files["<script src=x>"] = "x";
  write(files);
  const Outcome refused = verify({"--html"});
  EXPECT_EQ(refused.code, 16);
  for (const std::string& page : {accepted.output, refused.output}) {
    for (const char* never :
         {"<script", "<img", "http://", "https://", "url(", "@import", "<style src"})
      EXPECT_THAT(page, testing::Not(HasSubstr(never)));
  }
}

TEST_F(Command, TheReportAsJsonHasVerdictReasonAndEveryCheck) {
  const auto good = nlohmann::json::parse(verify({"--json"}).output);
  EXPECT_EQ(good["verdict"], "accepted");
  EXPECT_EQ(good["tpm"], "software");
  EXPECT_EQ(good["checks"].size(), 14U);
  EXPECT_EQ(good["history"]["pods"].size(), 2U);
  Files files = *good_;
  files["events.cel"] = "";
  write(files);
  const auto bad = nlohmann::json::parse(verify({"--json"}).output);
  EXPECT_EQ(bad["verdict"], "refused");
  EXPECT_EQ(bad["reason"]["code"], "E_ATTEST_LOG");
  EXPECT_EQ(bad["checks"].back()["result"], "failed");
}

TEST_F(Command, NothingThatAHostWroteReachesTheTerminalAsItIs) {
  QuotedHost host;
  ipc::MeasureJob job = tpm::test::podJob();
  job.images[0].origin = "\x1b]0;owned\x07";
  job.images[0].rule = "\x1b[2Jall is \u202ewell\u0085";
  job.images[0].name = "example.com/\x1b[31mred";
  host.run(job);
  write(host.quote());
  place_.write("ak.pem", host.pem());
  const Outcome outcome = verify();
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, Not(HasSubstr("\x1b")));
  EXPECT_THAT(outcome.output, Not(HasSubstr("\u202e")));
  const std::string json = verify({"--json"}).output;
  EXPECT_THAT(json, Not(HasSubstr("\x1b")));
  EXPECT_EQ(nlohmann::json::parse(json)["history"]["images"][0]["rule"], job.images[0].rule);
}

TEST_F(Command, AChallengeIsWrittenOnceAndItsSecretIsPrivate) {
  std::filesystem::copy(host_->files().path() + "/ek.pub", at("ek.pub"));
  const std::vector<std::string> arguments{"challenge",     "--ek",       at("ek.pub"),
                                           "--ak-pub",      at("ak.pub"), "-o",
                                           at("challenge"), "--secret",   at("secret")};
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.errors, HasSubstr("nobody stands for this TPM"));
  EXPECT_EQ(place_.read("secret").size(), 32U);
  EXPECT_EQ(std::filesystem::status(at("secret")).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(run(arguments).code, 1);  // it is there already
}

// --- audit export and verify ---

// So that a verifier sees that nothing is left out at the beginning of the boot.
TEST_F(Command, AuditExportBeginsWithTheLastLineBeforeTheBoot) {
  Trail trail;
  trail.setBoot("00000000-2222-3333-4444-555555555555");
  for (int i = 0; i < 3; ++i) trail.add("import", "");
  trail.tear();
  trail.setBoot(kBoot);
  trail.add("import", "");
  trail.add("policy", "");
  trail.setBoot("99999999-2222-3333-4444-555555555555");
  trail.add("import", "");
  std::filesystem::create_directories(at("data/audit"));
  place_.write("data/audit/record-000000000000.jsonl", trail.text());
  const Outcome outcome = runAs(
      "audit",
      {"export", "--dir=" + at("data"), "--boot=" + std::string(kBoot), "-o", at("host.evidence")});
  ASSERT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("2 line(s)"));
  std::string wanted;
  for (std::size_t i = 2; i < 6; ++i) wanted += trail.lines()[i] + "\n";
  const std::string archive = place_.read("host.evidence");
  EXPECT_THAT(readEvidence(archive)->audit, testing::Optional(std::string_view(wanted)));
}

// As cosign signs an image in a registry.
std::string cosigned(const AuditedHost& host, const std::string& reference,
                     const std::string& document) {
  const std::string claim = R"({"critical":{"identity":{"docker-reference":")" + reference +
                            R"("},"image":{"docker-manifest-digest":")" +
                            ociText(ociDigestOf(document)) +
                            R"("},"type":"cosign container image signature"},"optional":null})";
  const ipc::OciSignature signature{
      .kind = ipc::OciSignature::Kind::Cosign,
      .content = claim,
      .annotations = R"({"dev.cosignproject.cosign/signature":")" +
                     tpm::toBase64(host.webSigner.key.signDer(claim)) + R"("})"};
  return ipc::encodeOciSignatures({signature}).value();
}

TEST_F(Command, AuditVerifyLooksAtTheSignaturesOfOciImagesAgain) {
  AuditedHost host;
  Files files = host.good;
  files["images/" + host.image + "/signature"] = cosigned(host, "example.com/web", host.manifest);
  place_.write("ak.pem", host.host.pem());
  const auto trust = [&](const std::string& scope, const std::string& name,
                         const std::string& content) {
    std::filesystem::create_directories(at("own/trustedkeys/prefix.d/" + scope));
    place_.write("own/trustedkeys/prefix.d/" + scope + "/" + name, content);
  };
  trust("example.com/web", host.webSigner.fingerprint(), host.webSigner.key.pem());
  trust("example.com/app", "0123456789abcdef0123456789abcdef01234567", "a key of the test");
  std::filesystem::permissions(at("own"), std::filesystem::perms(0755));

  const auto verify = [&] {
    place_.write("host.evidence", archive(files));
    return runAs("audit", {"verify", at("host.evidence"), "--ak", at("ak.pem"), "--trust",
                           at("own/trustedkeys")});
  };
  const Outcome good = verify();
  EXPECT_EQ(good.code, 0) << good.output << good.errors;
  EXPECT_THAT(good.output, HasSubstr("1 verified again"));
  EXPECT_THAT(good.output, HasSubstr("4 line(s) covered by the register"));
  // What its publisher has signed is an index that names it.
  const std::string index = host.indexOf(host.manifest);
  files["images/" + host.image + "/signature"] = cosigned(host, "example.com/web", index);
  EXPECT_EQ(verify().code, 20);
  files["images/" + host.image + "/oci-index"] = index;
  const Outcome indexed = verify();
  EXPECT_EQ(indexed.code, 0) << indexed.output << indexed.errors;
  EXPECT_THAT(indexed.output, HasSubstr("1 verified again"));
  // One that names others.
  files["images/" + host.image + "/oci-index"] = host.indexOf("other");
  EXPECT_EQ(verify().code, 16);
  files.erase("images/" + host.image + "/oci-index");
  // Signed for another name.
  files["images/" + host.image + "/signature"] = cosigned(host, "example.com/other", host.manifest);
  const Outcome bad = verify();
  EXPECT_EQ(bad.code, 20) << bad.output << bad.errors;
  EXPECT_THAT(bad.output, HasSubstr("E_ATTEST_POLICY_SIGNER"));
  // A line of the record is taken away.
  files["audit.jsonl"].erase(0, files["audit.jsonl"].find("\n", 10) + 1);
  files["audit.jsonl"].erase(0, files["audit.jsonl"].find("\n", 10) + 1);
  EXPECT_EQ(verify().code, 16);
}

}  // namespace
}  // namespace airlock::attest::test
