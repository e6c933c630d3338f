// SPDX-License-Identifier: Apache-2.0
// What is not believed any more: attestation keys that their owner took back, certificates that
// their maker did, and evidence of nobody knows when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/credential.h"
#include "attest/refusal.h"
#include "attest/report.h"
#include "base/digest.h"
#include "tests/attest/maker.h"
#include "tests/attest/quoted_host.h"

namespace airlock::attest::test {
namespace {

using testing::HasSubstr;

constexpr char kOther[] = "sha256-0000000000000000000000000000000000000000000000000000000000000000";

Verdict judgeRevoked(const Files& files, const std::string& key, const std::string& revoked) {
  return judgeEvidence(files, key, nonce(), "", "", false, "", revoked);
}

// --- attestation keys ---------------------------------------------------------------------------

TEST(RevokedKey, IsRefusedByWhatRevokePrintsEvenWhenItIsTheTrustedOne) {
  QuotedHost host;
  host.makeKeys();
  host.run();
  const Files files = host.quote();
  const auto revoked = tpm::test::runAttest(tpm::test::attestJob(ipc::RevokeKeyRequest{}),
                                            host.log().fd(), &host.tpm());
  ASSERT_TRUE(revoked) << revoked.error().text();
  const std::string name = tpm::test::factOf(*revoked, "revoked");
  const std::string fingerprint = tpm::test::factOf(*revoked, "revoked fingerprint");
  // Its signatures are as good as ever.
  EXPECT_EQ(judgeRevoked(files, host.publicArea(), kOther).text, "");
  for (const std::string& entry : {name, fingerprint}) {
    const Verdict verdict = judgeRevoked(files, host.publicArea(), entry + "  # host17\n");
    EXPECT_EQ(verdict.code, "E_ATTEST_REVOKED");
    EXPECT_THAT(verdict.text, HasSubstr(entry));
    EXPECT_EQ(exitOf(verdict.code), Exit::Key);
    EXPECT_EQ(judgeEvidence(files, host.publicArea(), nonce(),
                            R"({"airlockFleetPolicy":1,"revokedKeys":[")" + entry + R"("]})")
                  .code,
              "E_ATTEST_REVOKED");
  }
  EXPECT_EQ(judgeRevoked(files, host.pem(), fingerprint).code, "E_ATTEST_REVOKED");
}

TEST(RevokedKey, IsNotHiddenByWhatTheEvidenceSaysOfIt) {
  QuotedHost host;
  host.makeKeys();
  host.run();
  Files files = host.quote();
  prepareOpenssl();
  const std::string fingerprint = Key::fromPem(host.pem())->fingerprint();
  const std::string name = host.files().read("ak.name");
  const std::string nameHex = toHex(std::vector<std::uint8_t>(name.begin(), name.end()));
  // The same key under another name: noDA is not in its attributes.
  files["ak.pub"][8] ^= 0x04;
  EXPECT_EQ(judgeRevoked(files, host.pem(), fingerprint).code, "E_ATTEST_REVOKED");
  // By PEM no name can be known, and so none is passed over: our own side must say which key.
  const Verdict verdict = judgeRevoked(files, host.pem(), nameHex);
  EXPECT_EQ(verdict.code, "ERROR");
  EXPECT_THAT(verdict.text, HasSubstr("given as PEM"));
  files.erase("ak.pub");
  EXPECT_EQ(judgeRevoked(files, host.pem(), fingerprint).code, "E_ATTEST_REVOKED");
  EXPECT_EQ(judgeRevoked(files, host.publicArea(), nameHex).code, "E_ATTEST_REVOKED");
}

TEST(RevokedKey, AListIsReadStrictly) {
  const std::string name = "000b" + std::string(64, 'a');
  const auto good = RevokedKeys::parse("# keys that are gone\n\n  " + name + "\t# one\r\n" +
                                       std::string(kOther) + "\n000C" + std::string(96, 'B'));
  EXPECT_TRUE(good) << good.error().text();
  for (const std::string& bad : {name + "a", std::string("000b"), "000f" + std::string(64, 'a'),
                                 "sha256-" + std::string(63, '0'), std::string("host17"),
                                 name + " " + name, std::string(64, 'a')}) {
    const auto refused = RevokedKeys::parse(name + "\n" + bad + "\n");
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code(), "E_ATTEST_REVOKED_LIST");
    EXPECT_THAT(refused.error().text(), HasSubstr("line 2"));
  }
  EXPECT_FALSE(parseFleetPolicy(R"({"airlockFleetPolicy":1,"revokedKeys":["host17"]})"));
}

// --- certificates -------------------------------------------------------------------------------

class RevokedCertificate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    host_ = new QuotedHost();
    host_->makeKeys();
    files_ = new Files(siliconEvidence(*host_, ""));
  }
  static void TearDownTestSuite() {
    delete files_;
    delete host_;
  }
  static Verdict judge(const std::string& certificate, const std::string& roots,
                       const std::string& crls, bool requireHardware = true) {
    Files files = *files_;
    files["ek.crt"] = certificate;
    return judgeEvidence(files, host_->publicArea(), nonce(), "", roots, requireHardware, crls);
  }

  static QuotedHost* host_;
  static Files* files_;
};
QuotedHost* RevokedCertificate::host_ = nullptr;
Files* RevokedCertificate::files_ = nullptr;

TEST_F(RevokedCertificate, IsRefusedForItsOwnReasonWhetherOrNotHardwareIsAskedFor) {
  Maker maker;
  const std::string certificate = maker.certify(*host_);
  const std::string before = maker.crl();
  const Verdict good = judge(certificate, maker.root(), before);
  EXPECT_EQ(good.text, "");
  EXPECT_FALSE(good.appraisal.software);
  maker.revoke();
  const std::string after = maker.crl();
  for (const bool required : {true, false}) {
    const Verdict verdict = judge(certificate, maker.root(), after, required);
    EXPECT_EQ(verdict.code, "E_ATTEST_EK_REVOKED") << verdict.text;
    EXPECT_EQ(exitOf(verdict.code), Exit::Software);
  }
  // And is not enrolled.
  Roots roots = Roots::parse(maker.root()).value();
  ASSERT_TRUE(roots.addCrls(after));
  const auto challenge = makeChallenge(certificate, host_->publicArea(), &roots);
  ASSERT_FALSE(challenge);
  EXPECT_EQ(challenge.error().code(), "E_ATTEST_EK_REVOKED");
}

TEST_F(RevokedCertificate, AListThatIsMissingOldOrOfSomebodyElseIsRefused) {
  Maker maker;
  Maker namesake;
  Maker stranger("TPM 9000", nullptr, "Somebody else");
  const std::string certificate = maker.certify(*host_);
  const std::string old =
      maker.crl("-crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z");
  for (const std::string& list : {stranger.crl(), old, namesake.crl()}) {
    const Verdict verdict = judge(certificate, maker.root(), list);
    EXPECT_EQ(verdict.code, "E_ATTEST_CRL") << verdict.text;
    EXPECT_EQ(exitOf(verdict.code), Exit::Software);
    // It then counts as a software TPM, and that is told.
    const Verdict lenient = judge(certificate, maker.root(), list, false);
    EXPECT_EQ(lenient.text, "");
    EXPECT_TRUE(lenient.appraisal.software);
  }
  EXPECT_EQ(judge(certificate, maker.root(), stranger.crl() + maker.crl()).text, "");
  Roots roots = Roots::parse(maker.root()).value();
  for (const std::string& text : {std::string("no list"), maker.root(),
                                  old + "-----BEGIN X509 CRL"
                                        "-----\nAAAA\n"}) {
    EXPECT_FALSE(roots.addCrls(text));
  }
}

TEST_F(RevokedCertificate, OfAnAuthorityInBetweenIsFoundWhereItsAuthorityHasAList) {
  Maker root;
  Maker between("TPM 9000", &root, "Factory");
  const std::string certificate = between.certify(*host_);
  const std::string roots = root.root() + between.root();
  EXPECT_EQ(judge(certificate, roots, between.crl()).text, "");
  EXPECT_EQ(judge(certificate, roots, between.crl() + root.crl()).text, "");
  // The list of who issued the certificate is what is demanded.
  EXPECT_EQ(judge(certificate, roots, root.crl()).code, "E_ATTEST_CRL");
  root.revoke();
  EXPECT_EQ(judge(certificate, roots, between.crl() + root.crl()).code, "E_ATTEST_EK_REVOKED");
}

// --- freshness ----------------------------------------------------------------------------------

TEST(Freshness, APolicyCanAskForANonceAndTheReportSaysWhatIsNotKnownWithoutOne) {
  QuotedHost host;
  host.run();
  const Files files = host.quote();
  const std::string policy = R"({"airlockFleetPolicy":1,"requireNonce":true})";
  const Verdict fresh = judgeEvidence(files, host.publicArea(), nonce(), policy);
  EXPECT_EQ(fresh.text, "");
  EXPECT_THAT(textReport(fresh.appraisal), HasSubstr("answers the nonce"));
  EXPECT_THAT(jsonReport(fresh.appraisal), HasSubstr("\"fresh\": true"));
  const Verdict unknown = judgeEvidence(files, host.publicArea(), "");
  EXPECT_EQ(unknown.text, "");
  EXPECT_THAT(textReport(unknown.appraisal), HasSubstr("UNKNOWN time of that boot"));
  EXPECT_THAT(jsonReport(unknown.appraisal), HasSubstr("\"fresh\": false"));
  const Verdict refused = judgeEvidence(files, host.publicArea(), "", policy);
  EXPECT_EQ(refused.code, "E_ATTEST_POLICY_NONCE");
  EXPECT_EQ(exitOf(refused.code), Exit::Policy);
}

}  // namespace
}  // namespace airlock::attest::test
