// SPDX-License-Identifier: Apache-2.0
// Who the TPM is: challenges that only it can answer, and the certificate of its maker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "attest/credential.h"
#include "tests/attest/maker.h"
#include "tests/attest/quoted_host.h"

namespace airlock::attest::test {
namespace {

using testing::HasSubstr;

// What the host's TPM makes of a challenge; empty: it refused.
std::string activate(QuotedHost& host, const std::string& challenge) {
  const std::string at = host.files().path() + "/";
  host.files().write("challenge", challenge);
  ::unlink((at + "answer").c_str());
  host.tpm().tools("tpm2_startauthsession --policy-session -S " + at + "session");
  host.tpm().tools("tpm2_policysecret -S " + at + "session -c e");
  host.tpm().tools("tpm2_activatecredential -c 0x81018000 -C " + at + "ek.ctx -i " + at +
                   "challenge -o " + at + "answer -P session:" + at + "session");
  host.tpm().tools("tpm2_flushcontext " + at + "session");
  host.tpm().tools("tpm2_flushcontext -t");
  return host.files().has("answer") ? host.files().read("answer") : "";
}

TEST(Enrolment, ARealTpmAnswersOurChallengeWithEccAndRsa) {
  for (const auto& [algorithm, scheme] : {std::pair("ecc", "ecdsa"), std::pair("rsa", "rsassa")}) {
    QuotedHost host;
    host.makeKeys(algorithm, scheme);
    prepareOpenssl();
    const auto made = makeChallenge(host.files().read("ek.pub"), host.publicArea(), nullptr);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_THAT(made->warning, HasSubstr("nobody stands for this TPM"));
    EXPECT_EQ(made->secret.size(), 32U);
    EXPECT_EQ(activate(host, made->file), made->secret) << algorithm;
    std::string broken = made->file;
    broken[20] ^= 1;
    EXPECT_EQ(activate(host, broken), "") << algorithm;
    // And evidence signed with such a key is good.
    host.run();
    EXPECT_EQ(judgeEvidence(host.quote(), host.publicArea()).text, "") << algorithm;
  }
}

TEST(Enrolment, AChallengeForAnotherKeyIsNotAnswered) {
  QuotedHost host;
  host.makeKeys();
  QuotedHost other;
  other.makeKeys();
  prepareOpenssl();
  const auto wrongAk = makeChallenge(host.files().read("ek.pub"), other.publicArea(), nullptr);
  EXPECT_EQ(activate(host, wrongAk->file), "");
  const auto wrongEk = makeChallenge(other.files().read("ek.pub"), host.publicArea(), nullptr);
  EXPECT_EQ(activate(host, wrongEk->file), "");
}

TEST(Enrolment, AKeyThatCouldSignAnythingIsNotEnrolled) {
  QuotedHost host;
  host.makeKeys();
  prepareOpenssl();
  const std::string good = host.publicArea();
  // TPMA_OBJECT stands behind size, type and name algorithm: restricted, fixedTPM, fixedParent,
  // sensitiveDataOrigin, sign.
  for (const auto& [byte, bit] : {std::pair(7, 0x01), std::pair(9, 0x02), std::pair(9, 0x10),
                                  std::pair(9, 0x20), std::pair(7, 0x04)}) {
    std::string area = good;
    area[static_cast<std::size_t>(byte)] ^= static_cast<char>(bit);
    const auto made = makeChallenge(host.files().read("ek.pub"), area, nullptr);
    ASSERT_FALSE(made) << byte << " " << bit;
    EXPECT_EQ(made.error().code(), "E_ATTEST_AK") << made.error().text();
  }
}

TEST(Enrolment, AnEndorsementKeyNeedsItsMakersCertificateWhereMakersAreGiven) {
  QuotedHost host;
  host.makeKeys();
  Maker maker;
  Maker stranger;
  const std::string certificate = maker.certify(host);
  const Roots roots = Roots::parse(maker.root()).value();
  const Roots strangers = Roots::parse(stranger.root()).value();
  const auto made = makeChallenge(certificate, host.publicArea(), &roots);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->warning, "");
  EXPECT_EQ(activate(host, made->file), made->secret);
  for (const auto& refused :
       {makeChallenge(certificate, host.publicArea(), &strangers),
        makeChallenge(host.files().read("ek.pub"), host.publicArea(), &roots)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), "E_ATTEST_EK");
  }
}

// --- evidence ---

Files hardwareEvidence(QuotedHost& host, const std::string& certificate) {
  ipc::MeasureJob job = tpm::test::podJob();
  host.run(job);
  Files files = host.quote();
  files["ek.crt"] = certificate;
  return files;
}

TEST(Hardware, M09_ASoftwareTpmIsNeverCalledHardware) {
  QuotedHost host;
  host.makeKeys();
  Maker maker;
  const Files files = hardwareEvidence(host, maker.certify(host));
  // The engine itself saw what kind of TPM it is.
  const Verdict lenient = judgeEvidence(files, host.publicArea(), nonce(), "", maker.root());
  EXPECT_EQ(lenient.text, "");
  EXPECT_TRUE(lenient.appraisal.software);
  EXPECT_EQ(judgeEvidence(files, host.publicArea(), nonce(), "", maker.root(), true).code,
            "E_ATTEST_SOFTWARE");
  EXPECT_EQ(judgeEvidence(files, host.publicArea(), nonce(),
                          R"({"airlockFleetPolicy":1,"requireHardware":true})", maker.root())
                .code,
            "E_ATTEST_SOFTWARE");
}

TEST(Hardware, ATpmWhoseMakerIsTrustedCountsAndNoOther) {
  QuotedHost host;
  host.makeKeys();
  QuotedHost other;
  other.makeKeys();
  Maker maker;
  Maker stranger;
  // A log of an engine that took the TPM for one of silicon.
  std::size_t trailing = 0;
  const ipc::MeasureJob job = tpm::test::podJob();
  const tpm::EngineContext context{
      .mode = ipc::MeasureMode::Require,
      .anchor = "hardware",
      .tpm = "STM ",
      .before = {{tpm::kSha256, tpm::Bytes(32)}, {tpm::kSha384, tpm::Bytes(48)}},
      .resets = parseQuote(host.quote().at("quote"), trailing)->resets};
  const std::string log = host.extend({tpm::engineEvent(job.engine, context),
                                       tpm::policyEvent(job.engine), tpm::trustEvent(job.engine)});
  Files files = host.quote();
  files["events.cel"] = log;
  files["ek.crt"] = maker.certify(host);
  const auto strictly = [&](const std::string& roots) {
    return judgeEvidence(files, host.publicArea(), nonce(), "", roots, true);
  };
  const Verdict good = strictly(maker.root());
  EXPECT_EQ(good.text, "");
  EXPECT_FALSE(good.appraisal.software);
  EXPECT_EQ(strictly(stranger.root()).code, "E_ATTEST_EK");
  // Without makers to believe it counts as software, and that is told.
  const Verdict lenient = judgeEvidence(files, host.publicArea());
  EXPECT_EQ(lenient.text, "");
  EXPECT_TRUE(lenient.appraisal.software);
  // A good certificate of another TPM, and none.
  files["ek.crt"] = maker.certify(other);
  const Verdict borrowed = strictly(maker.root());
  EXPECT_EQ(borrowed.code, "E_ATTEST_EK");
  EXPECT_THAT(borrowed.text, HasSubstr("not made below"));
  files.erase("ek.crt");
  EXPECT_EQ(strictly(maker.root()).code, "E_ATTEST_EK");
  Maker swtpm("swtpm");
  files["ek.crt"] = swtpm.certify(host);
  EXPECT_EQ(strictly(swtpm.root()).code, "E_ATTEST_SOFTWARE");
}

TEST(Hardware, M09_SwtpmsCertificateIsOneOfASoftwareTpm) {
  QuotedHost host;
  host.makeKeys();
  prepareOpenssl();
  Maker swtpm("swtpm");
  Maker silicon("TPM 9000");
  EXPECT_TRUE(EkCertificate::parse(swtpm.certify(host))->namesSoftware());
  const auto certificate = EkCertificate::parse(silicon.certify(host));
  ASSERT_TRUE(certificate) << certificate.error().text();
  EXPECT_FALSE(certificate->namesSoftware());
  EXPECT_EQ(certificate->manufacturer(), "id:53544D20");
  EXPECT_EQ(certificate->model(), "TPM 9000");
  EXPECT_EQ(certificate->issuer(), "CN=Maker of TPMs");
}

TEST(Hardware, AQuoteTellsWhichEndorsementKeyItsKeyWasMadeBelow) {
  prepareOpenssl();
  for (const auto& [algorithm, scheme] : {std::pair("ecc", "ecdsa"), std::pair("rsa", "rsassa")}) {
    QuotedHost host;
    host.makeKeys(algorithm, scheme);
    QuotedHost other;
    other.makeKeys(algorithm, scheme);
    host.run();
    std::size_t trailing = 0;
    const Quote quote = parseQuote(host.quote().at("quote"), trailing).value();
    const PublicArea area = parsePublicArea(host.publicArea()).value();
    const auto keyOf = [](QuotedHost& of) {
      return Key::fromArea(parsePublicArea(of.files().read("ek.pub")).value()).value();
    };
    EXPECT_TRUE(madeBelow(keyOf(host), area.name, quote.qualifiedSigner)) << algorithm;
    EXPECT_FALSE(madeBelow(keyOf(other), area.name, quote.qualifiedSigner)) << algorithm;
    EXPECT_EQ(host.files().read("ak.name"), area.name);
  }
}

}  // namespace
}  // namespace airlock::attest::test
