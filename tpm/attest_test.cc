// SPDX-License-Identifier: Apache-2.0
// The keys of a TPM and quotes by them: airlock-measure against a real swtpm, with tpm2-tools and
// openssl as those who check.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <thread>

#include "base/digest.h"
#include "tpm/canonical.h"
#include "tpm/test_tpm.h"
#include "tpm/tpm.h"

namespace airlock::tpm {
namespace {

using ipc::Attested;
using ipc::MeasureJob;
using ipc::MeasureMode;
using test::attestJob;
using test::factOf;
using test::fileOf;
using test::podJob;
using test::replayIn;
using test::runAttest;
using test::runMeasure;
using test::shell;
using test::Swtpm;
using test::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kNonce("\0twenty\xff bytes nonce", 20);

template <class T>
void expectCode(const Result<T>& result, std::string_view code) {
  ASSERT_FALSE(result) << "expected " << code;
  EXPECT_EQ(result.error().code(), code) << result.error().text();
}

std::string hexOfText(const std::string& bytes) {
  return toHex(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

MeasureJob quoteJob(std::uint32_t uid = 1000, const std::string& nonce = kNonce) {
  MeasureJob job = attestJob(ipc::QuoteRequest{.nonce = nonce, .selection = {}});
  job.attest->callerUid = uid;
  return job;
}

// A host with an attestation key.
class Attest : public testing::Test {
 protected:
  void initialise(const Swtpm& tpm) {
    const auto made = runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(factOf(*made, "done"), "made");
  }
  // Writes every file of the answer into a directory, for the tools.
  void write(const Attested& attested) {
    for (const ipc::AttestedFile& file : attested.files) files_.write(file.name, file.content);
  }
  std::string at(const std::string& name) const { return files_.path() + '/' + name; }

  const TemporaryDirectory log_;
  const TemporaryDirectory files_;
};

// --- keys ---------------------------------------------------------------------------------------
TEST_F(Attest, InitMakesAKeyOnceAndRotatesAndRevokesIt) {
  const Swtpm tpm;
  const auto made = runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->anchor, "software");
  EXPECT_THAT(factOf(*made, "attestation key"), StartsWith("ECC P-256, ECDSA with SHA-256"));
  EXPECT_THAT(factOf(*made, "endorsement key"), StartsWith("ECC P-256"));
  const std::string name = factOf(*made, "name");
  EXPECT_THAT(tpm.tools("tpm2_readpublic -c 0x81018000"), HasSubstr("name: " + name));

  const auto again = runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(factOf(*again, "name"), name);
  EXPECT_THAT(factOf(*again, "done"), StartsWith("kept"));

  const auto rotated = runAttest(attestJob(ipc::InitKeyRequest{.rotate = true}), log_.fd(), &tpm);
  ASSERT_TRUE(rotated) << rotated.error().text();
  EXPECT_EQ(factOf(*rotated, "revoked"), name);
  EXPECT_NE(factOf(*rotated, "name"), name);

  const auto revoked = runAttest(attestJob(ipc::RevokeKeyRequest{}), log_.fd(), &tpm);
  ASSERT_TRUE(revoked) << revoked.error().text();
  EXPECT_EQ(factOf(*revoked, "revoked"), factOf(*rotated, "name"));
  expectCode(runAttest(attestJob(ipc::RevokeKeyRequest{}), log_.fd(), &tpm), "E_ATTEST_NO_KEY");
  expectCode(runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm), "E_ATTEST_NO_KEY");
  expectCode(runAttest(quoteJob(), log_.fd(), &tpm), "E_ATTEST_NO_KEY");
  EXPECT_EQ(tpm.tools("tpm2_getcap handles-transient"), "");
  EXPECT_EQ(tpm.tools("tpm2_getcap handles-loaded-session"), "");
}

TEST_F(Attest, KeysOfSomebodyElseAreNotTouched) {
  const Swtpm tpm;
  tpm.tools("tpm2_createprimary -C o -c " + at("primary"));
  EXPECT_THAT(tpm.tools("tpm2_evictcontrol -C o -c " + at("primary") + " 0x81018000"),
              HasSubstr("persistent-handle: 0x81018000"));
  tpm.tools("tpm2_flushcontext -t");
  for (const bool rotate : {false, true}) {
    expectCode(runAttest(attestJob(ipc::InitKeyRequest{.rotate = rotate}), log_.fd(), &tpm),
               "E_ATTEST_HANDLE");
  }
  expectCode(runAttest(attestJob(ipc::RevokeKeyRequest{}), log_.fd(), &tpm), "E_ATTEST_HANDLE");
  expectCode(runAttest(quoteJob(), log_.fd(), &tpm), "E_ATTEST_HANDLE");
  EXPECT_THAT(tpm.tools("tpm2_getcap handles-persistent"), HasSubstr("0x81018000"));
  MeasureJob other = attestJob(ipc::InitKeyRequest{});
  other.attest->keyHandle = 0x81018001;
  const auto made = runAttest(other, log_.fd(), &tpm);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_THAT(factOf(*made, "attestation key"), HasSubstr("at 0x81018001"));
}

TEST_F(Attest, EnrollGivesWhatTpm2ToolsAndOpensslGiveToo) {
  const Swtpm tpm;
  initialise(tpm);
  const auto enrolled = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm);
  ASSERT_TRUE(enrolled) << enrolled.error().text();
  write(*enrolled);
  tpm.tools("tpm2_createek -G ecc -c " + at("ek.ctx") + " -u " + at("ek.tools"));
  EXPECT_EQ(files_.read("ek.tools"), files_.read("ek.pub"));
  tpm.tools("tpm2_readpublic -c 0x81018000 -f pem -o " + at("pem.tools") + " -n " +
            at("name.tools"));
  tpm.tools("tpm2_readpublic -c 0x81018000 -f tss -o " + at("pub.tools"));
  EXPECT_EQ(files_.read("pub.tools"), files_.read("ak.pub"));
  EXPECT_EQ(files_.read("name.tools"), files_.read("ak.name"));
  EXPECT_EQ(files_.read("pem.tools"), files_.read("ak.pem"));
  EXPECT_FALSE(files_.has("ek.crt"));
  EXPECT_THAT(factOf(*enrolled, "certificate"), StartsWith("none"));
}

TEST_F(Attest, KeysAreOfRsaWhereTheTpmHasNoOtherCurveOfOurs) {
  const Swtpm tpm;
  const auto made =
      runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm, {.fault = "no-p256"});
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_THAT(factOf(*made, "attestation key"), StartsWith("RSA 2048, RSASSA with SHA-256"));
  EXPECT_THAT(factOf(*made, "endorsement key"), StartsWith("RSA 2048, template L-1"));
  const auto quoted = runAttest(quoteJob(), log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  write(*quoted);
  const auto enrolled =
      runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm, {.fault = "no-p256"});
  ASSERT_TRUE(enrolled) << enrolled.error().text();
  write(*enrolled);
  tpm.tools("tpm2_readpublic -c 0x81018000 -f pem -o " + at("pem.tools"));
  EXPECT_EQ(files_.read("pem.tools"), files_.read("ak.pem"));
  EXPECT_THAT(shell("tpm2_checkquote -u " + at("ak.pem") + " -m " + at("quote") + " -s " +
                    at("quote.sig") + " -g sha256 -q " + hexOfText(kNonce) + " 2>&1; echo =$?"),
              HasSubstr("=0\n"));
}

TEST_F(Attest, EnrollReadsTheCertificateOfTheEndorsementKeyAndM09_CallsSwtpmSoftware) {
  const Swtpm tpm("", true);
  initialise(tpm);
  const auto enrolled = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm);
  ASSERT_TRUE(enrolled) << enrolled.error().text();
  write(*enrolled);
  EXPECT_EQ(enrolled->anchor, "software");
  EXPECT_EQ(factOf(*enrolled, "certificate"), "at 0x1c00002, of swtpm");
  EXPECT_EQ(factOf(*enrolled, "endorsement key"), "RSA 2048, template L-1");
  tpm.tools("tpm2_createek -G rsa -c " + at("ek.ctx") + " -u " + at("ek.tools"));
  EXPECT_EQ(files_.read("ek.tools"), files_.read("ek.pub"));
  const std::string certificate = "openssl x509 -inform DER -in " + at("ek.crt");
  EXPECT_THAT(shell(certificate + " -noout -issuer 2>&1"), HasSubstr("swtpm-localca"));
  EXPECT_THAT(shell(certificate + " -out " + at("ek.pem") + " && openssl verify -partial_chain " +
                    "-ignore_critical -CAfile " + tpm.issuer() + " " + at("ek.pem") + " 2>&1"),
              HasSubstr("OK"));
}

TEST_F(Attest, ActivateAnswersAChallengeOfTpm2Makecredential) {
  for (const bool certified : {false, true}) {  // an endorsement key of ECC, and one of RSA
    const Swtpm tpm("", certified);
    const TemporaryDirectory log;
    ASSERT_TRUE(runAttest(attestJob(ipc::InitKeyRequest{}), log.fd(), &tpm));
    const auto enrolled = runAttest(attestJob(ipc::EnrollRequest{}), log.fd(), &tpm);
    ASSERT_TRUE(enrolled) << enrolled.error().text();
    write(*enrolled);
    files_.write("secret.sent", "thirty-two bytes of a secret....");
    const std::string said =
        shell("tpm2_makecredential -T none -u " + at("ek.pub") + " -s " + at("secret.sent") +
              " -n " + hexOfText(files_.read("ak.name")) + " -o " + at("challenge") + " 2>&1");
    const std::string challenge = files_.read("challenge");
    ASSERT_NE(challenge, "") << said;
    const auto secret = runAttest(attestJob(ipc::ActivateRequest{challenge}), log.fd(), &tpm);
    ASSERT_TRUE(secret) << secret.error().text();
    EXPECT_EQ(fileOf(*secret, "secret"), files_.read("secret.sent"));

    std::string changed = challenge;
    changed[16] = static_cast<char>(changed[16] ^ 1);  // in the credential's HMAC
    for (const std::string& wrong :
         {changed, challenge + "x", challenge.substr(0, challenge.size() - 1), std::string("x"),
          challenge.substr(0, 8), "\xba\xdc\xc0\xde" + std::string(8, '\xff')}) {
      expectCode(runAttest(attestJob(ipc::ActivateRequest{wrong}), log.fd(), &tpm),
                 "E_ATTEST_CHALLENGE");
    }
    // It was made for that key, and is of no use to another one of the same TPM.
    ASSERT_TRUE(runAttest(attestJob(ipc::InitKeyRequest{.rotate = true}), log.fd(), &tpm));
    expectCode(runAttest(attestJob(ipc::ActivateRequest{challenge}), log.fd(), &tpm),
               "E_ATTEST_CHALLENGE");
    EXPECT_EQ(tpm.tools("tpm2_getcap handles-transient"), "");
    EXPECT_EQ(tpm.tools("tpm2_getcap handles-loaded-session"), "");
    std::filesystem::remove(at("challenge"));
  }
}

TEST_F(Attest, APasswordOfTheOwnerIsToldAsThat) {
  const Swtpm tpm;
  tpm.tools("tpm2_changeauth -c owner secret");
  expectCode(runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm), "E_TPM_AUTH");
  tpm.tools("tpm2_changeauth -c owner -p secret");
  tpm.tools("tpm2_changeauth -c endorsement secret");
  expectCode(runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm), "E_TPM_AUTH");
}

class CrashOfInit : public testing::TestWithParam<const char*> {};
TEST_P(CrashOfInit, LeavesAHostThatCanBeInitialised) {
  const Swtpm tpm;
  const TemporaryDirectory log;
  ASSERT_TRUE(runAttest(attestJob(ipc::InitKeyRequest{}), log.fd(), &tpm));
  expectCode(runAttest(attestJob(ipc::InitKeyRequest{.rotate = true}), log.fd(), &tpm,
                       {.fault = GetParam()}),
             "E_DIED");
  tpm.tools("tpm2_flushcontext -t");  // the kernel does that for /dev/tpmrm0
  tpm.tools("tpm2_flushcontext -l");
  ASSERT_TRUE(runAttest(attestJob(ipc::InitKeyRequest{}), log.fd(), &tpm));
  const auto quoted = runAttest(quoteJob(), log.fd(), &tpm);
  EXPECT_TRUE(quoted) << quoted.error().text();
}
INSTANTIATE_TEST_SUITE_P(Points, CrashOfInit, testing::Values("evict", "keep"));

// --- quotes -------------------------------------------------------------------------------------
// What the answer says of the registers agrees with the log, and with tpm2-tools.
void expectQuoteOfTheLog(const Attested& quoted, const TemporaryDirectory& log, const Swtpm& tpm,
                         std::uint32_t pcr = 15) {
  ASSERT_EQ(quoted.logBytes, log.read("events.cel").size());
  const auto replay = replayIn(log);
  ASSERT_TRUE(replay) << replay.error().text();
  const auto pcrs = parseCanonical(fileOf(quoted, "pcrs"), 3, "pcrs");
  ASSERT_TRUE(pcrs) << pcrs.error().text();
  for (const ipc::PcrBank& bank : bankTexts(replay->chain.values)) {
    EXPECT_EQ(pcrs->at(bank.algorithm).at(std::to_string(pcr)), bank.value);
    std::string upper = bank.value;
    std::ranges::transform(upper, upper.begin(), ::toupper);
    EXPECT_THAT(tpm.tools("tpm2_pcrread " + bank.algorithm + ":" + std::to_string(pcr)),
                HasSubstr("0x" + upper));
  }
}

TEST_F(Attest, AQuoteIsOfTheLogAndTpm2CheckquoteAndOpensslTakeIt) {
  const Swtpm tpm("", true);
  initialise(tpm);
  ASSERT_TRUE(runMeasure(podJob(), log_.fd(), &tpm));
  const auto quoted = runAttest(quoteJob(), log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  write(*quoted);
  EXPECT_EQ(quoted->anchor, "software");
  expectQuoteOfTheLog(*quoted, log_, tpm);
  const auto pcrs = parseCanonical(fileOf(*quoted, "pcrs"), 3, "pcrs");
  ASSERT_TRUE(pcrs);
  EXPECT_EQ(pcrs->size(), 1U);
  EXPECT_EQ(pcrs->at("sha256").size(), 16U);
  const auto enrolled = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm);
  ASSERT_TRUE(enrolled) << enrolled.error().text();
  files_.write("ak.pem", fileOf(*enrolled, "ak.pem"));
  EXPECT_EQ(fileOf(*enrolled, "ak.pub"), fileOf(*quoted, "ak.pub"));
  EXPECT_EQ(fileOf(*enrolled, "ek.crt"), fileOf(*quoted, "ek.crt"));
  const std::string check = "tpm2_checkquote -u " + at("ak.pem") + " -m " + at("quote") + " -s " +
                            at("quote.sig") + " -g sha256 -q ";
  EXPECT_THAT(shell(check + hexOfText(kNonce) + " 2>&1; echo =$?"), HasSubstr("=0\n"));
  EXPECT_THAT(shell(check + std::string(40, '0') + " 2>&1; echo =$?"), Not(HasSubstr("=0\n")));
}

// A history of one record that extends nothing, and says itself what it leads to.
constexpr char kMadeUpHistory[] = R"(
import base64, json
values = json.load(open('pcrs'))
record = json.loads(open('events.cel', 'rb').read().split(b'\x1e')[1])
payload = base64.b64decode(record['content']['data']).decode()
payload += ''.join('\n%s %s' % (bank, values[bank]['15'].upper()) for bank in values)
record['content']['data'] = base64.b64encode(payload.encode()).decode()
record['digests'] = []
open('events.cel', 'wb').write(b'\x1e' + json.dumps(record, separators=(',', ':')).encode() + b'\n')
)";

// docs/measurement.md, "Checking a quote by hand".
TEST_F(Attest, TheScriptInTheDocumentationChecksAQuoteAndFindsWhatIsWrong) {
  const Swtpm tpm("sha256,sha384");
  initialise(tpm);
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), log_.fd(), &tpm));
  const auto quoted = runAttest(quoteJob(), log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  const auto enrolled = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm);
  ASSERT_TRUE(enrolled) << enrolled.error().text();
  write(*enrolled);
  for (const std::string script : {"check.sh", "replay.py"}) {
    const std::string begin = "cat > " + script + " <<'";
    const std::string page = test::readPage("measurement.md");
    const std::size_t quote = page.find(begin) + begin.size();
    const std::string mark = page.substr(quote, page.find('\'', quote) - quote);
    const std::size_t start = page.find('\n', quote) + 1;
    files_.write(script, page.substr(start, page.find('\n' + mark + '\n', start) + 1 - start));
  }
  const auto check = [&](const std::string& nonce = hexOfText(kNonce)) {
    return shell("cd " + files_.path() + " && sh check.sh ak.pem " + nonce + " . 2>&1; echo =$?");
  };
  const std::map<std::string, std::string> good = {{"quote", fileOf(*quoted, "quote")},
                                                   {"quote.sig", fileOf(*quoted, "quote.sig")},
                                                   {"pcrs", fileOf(*quoted, "pcrs")},
                                                   {"events.cel", log_.read("events.cel")}};
  const auto restore = [&] {
    for (const auto& [name, content] : good) files_.write(name, content);
  };
  restore();
  EXPECT_THAT(check(), testing::EndsWith("=0\n"));
  EXPECT_THAT(check(std::string(40, '0')), Not(HasSubstr("=0\n")));
  const auto changed = [&](const std::string& name, std::size_t at, char bit) {
    restore();
    std::string content = good.at(name);
    content[at] = static_cast<char>(content[at] ^ bit);
    files_.write(name, content);
    return check();
  };
  EXPECT_THAT(changed("quote", 0, 1), Not(HasSubstr("=0\n")));
  EXPECT_THAT(changed("quote.sig", 20, 1), Not(HasSubstr("=0\n")));
  EXPECT_THAT(changed("pcrs", good.at("pcrs").find("\"3\":\"") + 5, 1), Not(HasSubstr("=0\n")));
  restore();
  const std::string& log = good.at("events.cel");
  files_.write("events.cel", log.substr(0, log.rfind('\x1e')));  // without the last record
  EXPECT_THAT(check(), HasSubstr("does not lead to"));
  restore();
  files_.write("made_up.py", kMadeUpHistory);
  EXPECT_THAT(shell("cd " + files_.path() + " && python3 made_up.py 2>&1"), "");
  EXPECT_THAT(check(), HasSubstr("the log is damaged"));
  restore();
  EXPECT_THAT(shell("sed -i 's/\"pcr\":15/\"pcr\":16/' " + files_.path() + "/events.cel"), "");
  EXPECT_THAT(check(), HasSubstr("not about PCR 15"));
  restore();
  files_.write("quote", good.at("quote") + "x");
  EXPECT_THAT(check(), Not(HasSubstr("=0\n")));
}

TEST_F(Attest, M07_AQuoteHasEveryActiveBankOfOurRegister) {
  const Swtpm tpm("sha256,sha384");
  initialise(tpm);
  MeasureJob pod = podJob();
  pod.pcr = 14;
  ASSERT_TRUE(runMeasure(pod, log_.fd(), &tpm));
  MeasureJob job = quoteJob();
  job.pcr = 14;
  const auto quoted = runAttest(job, log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  expectQuoteOfTheLog(*quoted, log_, tpm, 14);
  const auto pcrs = parseCanonical(fileOf(*quoted, "pcrs"), 3, "pcrs");
  ASSERT_TRUE(pcrs);
  EXPECT_EQ(pcrs->at("sha256").size(), 16U);
  EXPECT_EQ(pcrs->at("sha384").size(), 1U);
}

TEST_F(Attest, M07_WithoutABankOfSha256AnotherOneIsQuotedAndSha1OnlyForOurRegister) {
  for (const auto& [banks, usual] :
       {std::pair("sha384", "sha384"), std::pair("sha1,sha512", "sha512")}) {
    const Swtpm tpm(banks);
    const TemporaryDirectory log;
    ASSERT_TRUE(runAttest(attestJob(ipc::InitKeyRequest{}), log.fd(), &tpm));
    const auto quoted = runAttest(quoteJob(), log.fd(), &tpm);
    ASSERT_TRUE(quoted) << quoted.error().text();
    expectQuoteOfTheLog(*quoted, log, tpm);
    const auto pcrs = parseCanonical(fileOf(*quoted, "pcrs"), 3, "pcrs");
    ASSERT_TRUE(pcrs);
    for (const auto& [bank, values] : pcrs->items())
      EXPECT_EQ(values.size(), bank == usual ? 16U : 1U) << bank;
  }
}

TEST_F(Attest, ASelectionIsTakenAndOurRegisterAdded) {
  const Swtpm tpm("sha256,sha384");
  initialise(tpm);
  MeasureJob job = attestJob(ipc::QuoteRequest{
      .nonce = std::string(64, 'n'), .selection = {{"sha384", 0xffffff}, {"sha256", 1U << 7}}});
  const auto quoted = runAttest(job, log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  expectQuoteOfTheLog(*quoted, log_, tpm);
  const auto pcrs = parseCanonical(fileOf(*quoted, "pcrs"), 3, "pcrs");
  ASSERT_TRUE(pcrs);
  EXPECT_EQ(pcrs->at("sha256").size(), 2U);
  EXPECT_EQ(pcrs->at("sha384").size(), 24U);
  std::uint32_t user = 2000;
  for (const char* wrong : {"sha512", "md5", "", "SHA256"}) {
    MeasureJob asked = attestJob(ipc::QuoteRequest{kNonce, {{wrong, 1}}});
    asked.attest->callerUid = user++;
    expectCode(runAttest(asked, log_.fd(), &tpm), "E_ATTEST_SELECTION");
  }
}

TEST_F(Attest, AQuoteBeforeTheFirstPodIsOfTheEngineAlone) {
  const Swtpm tpm;
  initialise(tpm);
  const auto quoted = runAttest(quoteJob(), log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  expectQuoteOfTheLog(*quoted, log_, tpm);
  EXPECT_THAT(test::typesOf(*replayIn(log_)), ElementsAre("engine", "policy", "trust"));
}

TEST_F(Attest, AQuoteOfWhatIsNotAnchoredIsRefused) {
  const Swtpm tpm;
  initialise(tpm);
  MeasureJob off = quoteJob();
  off.mode = MeasureMode::Off;
  expectCode(runAttest(off, log_.fd(), &tpm), "E_ATTEST_OFF");
  expectCode(runAttest(quoteJob(), log_.fd(), nullptr), "E_TPM_ABSENT");
  {
    const TemporaryDirectory log;
    ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), log.fd(), nullptr));
    expectCode(runAttest(quoteJob(), log.fd(), &tpm), "E_TPM_UNANCHORED");
  }
  ASSERT_TRUE(runMeasure(podJob(), log_.fd(), &tpm));
  {
    auto device = Tpm::open(tpm.connect());
    ASSERT_TRUE(device);
    ASSERT_TRUE(device->extend(15, {{kSha256, Bytes(32, 7)}}));
  }
  expectCode(runAttest(quoteJob(), log_.fd(), &tpm), "E_TPM_POISONED");
  EXPECT_TRUE(log_.has("poisoned"));
}

TEST_F(Attest, EachUserGetsAQuoteASecondAndTakesNoOtherUsersTurn) {
  const Swtpm tpm;
  initialise(tpm);
  ASSERT_TRUE(runAttest(quoteJob(1000), log_.fd(), &tpm));
  expectCode(runAttest(quoteJob(1000), log_.fd(), &tpm), "E_ATTEST_BUSY");
  EXPECT_TRUE(runAttest(quoteJob(1001), log_.fd(), &tpm));
  ::poll(nullptr, 0, 1100);
  EXPECT_TRUE(runAttest(quoteJob(1000), log_.fd(), &tpm));
  // What is not ours, or of another boot, is nobody's turn.
  for (const std::string content : {"", "{\"1000\":9000000000000}", "[1]", "{\"1000\":\"x\"}"}) {
    log_.write("quotes", content);
    const auto quoted = runAttest(quoteJob(1000), log_.fd(), &tpm);
    EXPECT_TRUE(quoted) << quoted.error().text();
  }
}

TEST_F(Attest, QuotesAndStartsAtOnceEachSeeAWholeLog) {
  const Swtpm tpm("sha256,sha384");
  initialise(tpm);
  constexpr int kEach = 6;
  std::vector<Attested> quotes;
  {
    std::jthread starts([&] {
      for (int i = 0; i < 2 * kEach; ++i) {
        const auto measured = runMeasure(podJob(), log_.fd(), &tpm);
        EXPECT_TRUE(measured) << measured.error().text();
      }
    });
    for (std::uint32_t i = 0; i < kEach; ++i) {
      auto quoted = runAttest(quoteJob(1000 + i), log_.fd(), &tpm);
      ASSERT_TRUE(quoted) << quoted.error().text();
      quotes.push_back(std::move(*quoted));
    }
  }
  const std::string log = log_.read("events.cel");
  for (const Attested& quoted : quotes) {
    const auto replay = replayText(std::string_view(log).substr(0, quoted.logBytes));
    ASSERT_TRUE(replay) << replay.error().text();
    const auto pcrs = parseCanonical(fileOf(quoted, "pcrs"), 3, "pcrs");
    ASSERT_TRUE(pcrs);
    for (const ipc::PcrBank& bank : bankTexts(replay->chain.values)) {
      EXPECT_EQ(pcrs->at(bank.algorithm).at("15"), bank.value);
    }
  }
}

// --- TPMs that fail, and deaths -----------------------------------------------------------------
TEST_F(Attest, M02_AQuoteOfATpmThatFailsIsRefusedAndPoisonsNothing) {
  Swtpm tpm;
  initialise(tpm);
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), log_.fd(), &tpm));
  Fd device = tpm.connect();
  tpm.signal(SIGSTOP);
  expectCode(runAttest(quoteJob(), log_.fd(), nullptr, {.device = std::move(device)}),
             "E_TPM_TIMEOUT");
  tpm.signal(SIGCONT);
  EXPECT_FALSE(log_.has("poisoned"));
  const auto quoted = runAttest(quoteJob(), log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  tpm.loseState();
  tpm.tools("tpm2_nvdefine 0x1500001 -s 8 -C o");
  expectCode(runAttest(quoteJob(1001), log_.fd(), &tpm), "E_TPM_FAILURE_MODE");
  expectCode(runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm), "E_TPM_FAILURE_MODE");
}

class CrashOfQuote : public testing::TestWithParam<const char*> {};
TEST_P(CrashOfQuote, M10_LosesNothing) {
  const Swtpm tpm;
  const TemporaryDirectory log;
  ASSERT_TRUE(runAttest(attestJob(ipc::InitKeyRequest{}), log.fd(), &tpm));
  // The first quote of a boot records the engine: it can die at any step of that, too.
  expectCode(runAttest(quoteJob(), log.fd(), &tpm, {.fault = GetParam()}), "E_DIED");
  const auto measured = runMeasure(podJob(MeasureMode::Log), log.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  const auto quoted = runAttest(quoteJob(1001), log.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  expectQuoteOfTheLog(*quoted, log, tpm);
  EXPECT_THAT(test::typesOf(*replayIn(log)),
              ElementsAre("engine", "policy", "trust", "image", "pod"));
}
INSTANTIATE_TEST_SUITE_P(Points, CrashOfQuote,
                         testing::Values("wal", "extend", "torn", "log", "readback", "unlink",
                                         "state", "turn", "quote"));

TEST_F(Attest, AQuoteFinishesWhatACrashOfAStartLeft) {
  const Swtpm tpm;
  initialise(tpm);
  ASSERT_TRUE(runMeasure(podJob(), log_.fd(), &tpm));
  expectCode(runMeasure(podJob(), log_.fd(), &tpm, {.fault = "extend"}), "E_DIED");
  const auto quoted = runAttest(quoteJob(), log_.fd(), &tpm);
  ASSERT_TRUE(quoted) << quoted.error().text();
  expectQuoteOfTheLog(*quoted, log_, tpm);
  EXPECT_EQ(test::typesOf(*replayIn(log_)).back(), "abort");
}

}  // namespace
}  // namespace airlock::tpm
