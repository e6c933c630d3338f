// SPDX-License-Identifier: Apache-2.0
// airlock-measure, as its own confined process, against a real swtpm.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <map>

#include "base/digest.h"
#include "base/syscall.h"
#include "tpm/test_tpm.h"
#include "tpm/tpm.h"
#include "tpm/transport.h"

namespace airlock::tpm {
namespace {

using ipc::MeasureJob;
using ipc::MeasureMode;
using test::expectAgreement;
using test::makeJob;
using test::podJob;
using test::replayIn;
using test::runMeasure;
using test::Swtpm;
using test::TemporaryDirectory;
using test::typesOf;
using testing::ElementsAre;
using testing::HasSubstr;

void expectCode(const Result<ipc::Measured>& result, std::string_view code) {
  ASSERT_FALSE(result) << "expected " << code;
  EXPECT_EQ(result.error().code(), code) << result.error().text();
}

void extendBySomebodyElse(const Swtpm& tpm, std::uint32_t pcr = 15) {
  auto device = Tpm::open(tpm.connect());
  ASSERT_TRUE(device);
  ASSERT_TRUE(device->extend(pcr, {{kSha256, Bytes(32, 7)}}));
}

TEST(Measure, RecordsEngineFactsOnceThenImageThenPod) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  const auto first = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_EQ(first->anchor, "software");
  EXPECT_EQ(first->records, 5U);
  const auto second = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_EQ(second->records, 6U);
  const Replay replay = expectAgreement(directory, tpm);
  EXPECT_THAT(typesOf(replay), ElementsAre("engine", "policy", "trust", "image", "pod", "pod"));
  EXPECT_TRUE(matches(replay, second->banks));
  EXPECT_FALSE(directory.has("wal"));
}

TEST(Measure, ImagesOfLayersAndWithDependenciesAreInTheLogAndItIsReadAgain) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ipc::MeasureJob job = podJob();
  job.images[0].image = OciDigest();
  job.images[0].layers = {OciDigest(), OciDigest()};
  ASSERT_TRUE(runMeasure(job, directory.fd(), &tpm));
  job.images[0].layers.clear();
  job.images[0].image = AciId();
  job.images[0].dependencies = {"example.com/base sha512-aa"};
  const auto second = runMeasure(job, directory.fd(), &tpm);
  ASSERT_TRUE(second) << second.error().text();
  const Replay replay = expectAgreement(directory, tpm);
  EXPECT_TRUE(matches(replay, second->banks));
}

TEST(Measure, RegisterIsWhatTpm2PcrreadPrints) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  const auto measured = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  const auto bank = std::ranges::find(measured->banks, "sha256", &ipc::PcrBank::algorithm);
  ASSERT_NE(bank, measured->banks.end());
  std::string upper = bank->value;
  std::ranges::transform(upper, upper.begin(), ::toupper);
  EXPECT_THAT(tpm.tools("tpm2_pcrread sha256:15"), HasSubstr("0x" + upper));
}

// docs/measurement.md, "Replaying by hand".
TEST(Measure, TheScriptInTheDocumentationReplaysTheLog) {
  const Swtpm tpm("sha256,sha384");
  const TemporaryDirectory directory;
  const auto measured = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  const std::string text = test::readPage("measurement.md");
  const std::string begin = "cat > replay.py <<'EOF'\n";
  const std::size_t start = text.find(begin) + begin.size();
  directory.write("replay.py", text.substr(start, text.find("EOF\n", start) - start));
  const std::string printed =
      tpm.tools("python3 " + directory.path() + "/replay.py " + directory.path() + "/events.cel");
  for (const ipc::PcrBank& bank : measured->banks) {
    std::string upper = bank.value;
    std::ranges::transform(upper, upper.begin(), ::toupper);
    EXPECT_THAT(printed, HasSubstr(bank.algorithm + ' ' + upper));
    EXPECT_THAT(tpm.tools("tpm2_pcrread " + bank.algorithm + ":15"), HasSubstr("0x" + upper));
  }
}

TEST(Measure, RecordsEnginePolicyAndTrustAgainWhenTheyChange) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  MeasureJob job = podJob();
  ASSERT_TRUE(runMeasure(job, directory.fd(), &tpm));
  job.engine.version = "0.2.0";
  job.engine.policy = digestOf(std::string_view("other policy"));
  job.engine.trust = digestOf(std::string_view("other trust"));
  ASSERT_TRUE(runMeasure(job, directory.fd(), &tpm));
  EXPECT_THAT(
      typesOf(expectAgreement(directory, tpm)),
      ElementsAre("engine", "policy", "trust", "image", "pod", "engine", "policy", "trust", "pod"));
  // The same keys by name, and another file.
  job.engine.trustFiles = digestOf(std::string_view("other file"));
  ASSERT_TRUE(runMeasure(job, directory.fd(), &tpm));
  const Replay replay = expectAgreement(directory, tpm);
  EXPECT_THAT(typesOf(replay), testing::Contains("trust").Times(3));
  EXPECT_THAT(replay.records[9].event.payload,
              testing::StartsWith(R"({"files":")" + job.engine.trustFiles->text()));
}

TEST(Measure, EnterAndAbortAreRecorded) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  MeasureJob job = makeJob(MeasureMode::Require);
  job.images.clear();
  job.event = ipc::EnterFacts{PodId::random(), "app", digestOf(std::string_view("sh")), 1000};
  ASSERT_TRUE(runMeasure(job, directory.fd(), &tpm));
  job.event = ipc::AbortFacts{PodId::random(), "no such stage1"};
  ASSERT_TRUE(runMeasure(job, directory.fd(), &tpm));
  EXPECT_THAT(typesOf(expectAgreement(directory, tpm)),
              ElementsAre("engine", "policy", "trust", "enter", "abort"));
}

TEST(Measure, M07_ExtendsEveryActiveBank) {
  const Swtpm tpm("sha256,sha384");
  const TemporaryDirectory directory;
  const auto measured = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  ASSERT_EQ(measured->banks.size(), 2U);
  EXPECT_EQ(measured->banks[0].algorithm, "sha256");
  EXPECT_EQ(measured->banks[1].algorithm, "sha384");
  EXPECT_TRUE(matches(expectAgreement(directory, tpm), measured->banks));
}

TEST(Measure, M07_ExtendsSha1AndSha512BanksToo) {
  const Swtpm tpm("sha1,sha256,sha384,sha512");
  const TemporaryDirectory directory;
  const auto measured = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->banks.size(), 4U);
  EXPECT_TRUE(matches(expectAgreement(directory, tpm), measured->banks));
}

TEST(Measure, RefusesATpmWithNothingButSha1) {
  const Swtpm tpm("sha1");
  const TemporaryDirectory directory;
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_BANKS");
  EXPECT_FALSE(directory.has("events.cel"));
}

TEST(Measure, M06_RefusesEveryRegisterButThree) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  MeasureJob job = podJob();
  for (job.pcr = 0; job.pcr < 24; ++job.pcr) {
    if (job.pcr >= 13 && job.pcr <= 15) continue;
    expectCode(runMeasure(job, directory.fd(), &tpm), "E_TPM_REGISTER");
  }
  EXPECT_FALSE(directory.has("events.cel"));
  job.pcr = 13;
  ASSERT_TRUE(runMeasure(job, directory.fd(), &tpm));
  expectAgreement(directory, tpm, 13);
  job.pcr = 14;  // within a boot there is one register
  expectCode(runMeasure(job, directory.fd(), &tpm), "E_TPM_REGISTER");
}

// --- modes --------------------------------------------------------------------------------------
TEST(Measure, RequireWithoutATpmIsRefused) {
  const TemporaryDirectory directory;
  expectCode(runMeasure(podJob(), directory.fd(), nullptr), "E_TPM_ABSENT");
  EXPECT_FALSE(directory.has("events.cel"));
}

TEST(Measure, LogModeWithoutATpmKeepsAChainAndSaysSo) {
  const TemporaryDirectory directory;
  for (int i = 0; i < 2; ++i) {
    const auto measured = runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr);
    ASSERT_TRUE(measured) << measured.error().text();
    EXPECT_EQ(measured->anchor, "none");
    EXPECT_TRUE(measured->banks.empty());
  }
  const auto replay = replayIn(directory);
  ASSERT_TRUE(replay) << replay.error().text();
  EXPECT_EQ(replay->records.size(), 6U);
  EXPECT_EQ(replay->chain.anchor, "none");
  EXPECT_THAT(textField(replay->records[0].event, "anchor_reason"), HasSubstr("no TPM"));
}

TEST(Measure, ABootBegunWithoutATpmIsNotAnchoredLater) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr));
  const auto measured = runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "none");
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_UNANCHORED");
}

TEST(Measure, ATpmThatGoesAwayInLogModePoisonsTheBoot) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm));
  const auto without = runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr);
  ASSERT_TRUE(without) << without.error().text();
  EXPECT_EQ(without->anchor, "none");
  const auto again = runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->anchor, "none");
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_POISONED");
  const auto replay = replayIn(directory);
  ASSERT_TRUE(replay) << replay.error().text();
  EXPECT_THAT(typesOf(*replay), ElementsAre("engine", "policy", "trust", "image", "pod", "cap",
                                            "engine", "pod", "pod"));
}

TEST(Measure, AChangeOfModeIsAnEvent) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm));
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  EXPECT_THAT(typesOf(expectAgreement(directory, tpm)),
              ElementsAre("engine", "policy", "trust", "image", "pod", "engine", "pod"));
}

TEST(Measure, OffDoesNothing) {
  const TemporaryDirectory directory;
  const auto measured = runMeasure(podJob(MeasureMode::Off), directory.fd(), nullptr);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "none");
  EXPECT_FALSE(directory.has("events.cel"));
}

TEST(Measure, ReadOnlyReportsAndRecordsNothing) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  MeasureJob report = makeJob(MeasureMode::Require);
  report.readOnly = true;
  const auto fresh = runMeasure(report, directory.fd(), &tpm);
  ASSERT_TRUE(fresh) << fresh.error().text();
  EXPECT_EQ(fresh->anchor, "software");
  EXPECT_EQ(fresh->records, 0U);
  EXPECT_FALSE(directory.has("events.cel"));
  const auto pod = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(pod);
  const auto after = runMeasure(report, directory.fd(), &tpm);
  ASSERT_TRUE(after) << after.error().text();
  EXPECT_EQ(after->records, 5U);
  EXPECT_EQ(after->banks, pod->banks);
  extendBySomebodyElse(tpm);
  EXPECT_EQ(runMeasure(report, directory.fd(), &tpm)->anchor, "none");
  EXPECT_EQ(runMeasure(report, directory.fd(), nullptr)->anchor, "none");
}

TEST(Measure, ARegisterThatSomebodyUsedBeforeUsIsRefused) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  extendBySomebodyElse(tpm);
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_PCR_USED");
  EXPECT_FALSE(directory.has("events.cel"));
  const auto measured = runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "none");
  EXPECT_THAT(textField(replayIn(directory)->records[0].event, "anchor_reason"),
              HasSubstr("somebody else before us"));
}

// --- TPMs that fail -----------------------------------------------------------------------------
TEST(Measure, M02_AKilledTpmIsRefused) {
  Swtpm tpm;
  const TemporaryDirectory directory;
  Fd one = tpm.connect();
  tpm.signal(SIGKILL);
  expectCode(runMeasure(podJob(), directory.fd(), nullptr, {.device = std::move(one)}), "E_TPM_IO");
  EXPECT_FALSE(directory.has("events.cel"));
}

TEST(Measure, M02_ATpmThatDiesMidwayIsAReasonInLogMode) {
  Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm));
  Fd device = tpm.connect();
  tpm.signal(SIGKILL);
  const auto measured =
      runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr, {.device = std::move(device)});
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "none");
  const auto replay = replayIn(directory);
  ASSERT_TRUE(replay) << replay.error().text();
  EXPECT_THAT(typesOf(*replay),
              ElementsAre("engine", "policy", "trust", "image", "pod", "cap", "engine", "pod"));
}

TEST(Measure, M02_AStoppedTpmIsGivenFiveSeconds) {
  Swtpm tpm;
  const TemporaryDirectory directory;
  Fd device = tpm.connect();
  tpm.signal(SIGSTOP);
  expectCode(runMeasure(podJob(), directory.fd(), nullptr, {.device = std::move(device)}),
             "E_TPM_TIMEOUT");
  EXPECT_FALSE(directory.has("events.cel"));
  tpm.signal(SIGCONT);
}

TEST(Measure, M02_FailureModeIsNamed) {
  Swtpm tpm;
  const TemporaryDirectory directory;
  tpm.loseState();
  tpm.tools("tpm2_nvdefine 0x1500001 -s 8 -C o");
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_FAILURE_MODE");
  const auto measured = runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "none");
  EXPECT_THAT(textField(replayIn(directory)->records[0].event, "anchor_reason"),
              HasSubstr("failure mode"));
}

// Answers the first command with `answer`, then closes.
Result<ipc::Measured> measureAgainst(const std::string& answer, FdRef directory) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  Fd device = Fd::own(ends[0]);
  Fd fake = Fd::own(ends[1]);
  EXPECT_TRUE(sys::writeAll(fake, answer));
  ::shutdown(fake.get(), SHUT_WR);
  return runMeasure(podJob(), directory, nullptr, {.device = std::move(device)});
}

TEST(Measure, M16_GarbageAnswersAreRefused) {
  const TemporaryDirectory directory;
  const std::string header("\x80\x01", 2);
  const auto size = [](std::uint32_t bytes) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) text.push_back(static_cast<char>(bytes >> shift));
    return text;
  };
  const std::string ok(4, '\0');
  const std::string pcrs = std::string("\0\0\0\0\x05", 5);  // no more data, TPM_CAP_PCRS
  const struct {
    std::string answer;
    const char* code;
  } cases[]{
      {"", "E_TPM_IO"},
      {"HTTP/1.1 400 Bad Request\r\n", "E_TPM_RESPONSE"},
      {std::string(64, '\xff'), "E_TPM_RESPONSE"},
      {std::string(10, '\0'), "E_TPM_RESPONSE"},
      {header + size(9) + ok, "E_TPM_RESPONSE"},
      {header + size(0xffffffff) + ok, "E_TPM_RESPONSE"},
      {header + size(4097) + ok, "E_TPM_RESPONSE"},
      {header + size(4096) + ok, "E_TPM_IO"},  // and then nothing comes
      {header + size(10) + ok, "E_TPM_RESPONSE"},
      {header + size(19) + ok + pcrs + size(0xffffffff), "E_TPM_RESPONSE"},
      {header + size(19) + ok + pcrs + size(16), "E_TPM_BANKS"},  // none of which is there
      {header + size(25) + ok + pcrs + size(1) + std::string("\x00\x0b\xff\xff\xff\xff", 6),
       "E_TPM_RESPONSE"},
      {header + size(19) + ok + pcrs + size(0), "E_TPM_BANKS"},
      {header + size(25) + ok + pcrs + size(1) + std::string("\x00\x27\x03\xff\xff\xff", 6),
       "E_TPM_BANKS"},  // SHA3-256
      {header + size(10) + size(0x100), "E_TPM_NOT_STARTED"},
      {header + size(10) + size(0x101), "E_TPM_FAILURE_MODE"},
      {header + size(10) + size(0x143), "E_TPM_COMMAND"},
      {std::string("\x00\xc4", 2) + size(10) + size(0x1e), "E_TPM_RESPONSE"},
  };
  for (const auto& one : cases) {
    expectCode(measureAgainst(one.answer, directory.fd()), one.code);
  }
  EXPECT_FALSE(directory.has("events.cel"));
}

TEST(Measure, AFileIsNotATpm) {
  const TemporaryDirectory directory;
  directory.write("file", "");
  Fd file = sys::openPath(directory.path() + "/file", O_RDWR).value();
  expectCode(runMeasure(podJob(), directory.fd(), nullptr, {.device = std::move(file)}),
             "E_TPM_IO");
}

// --- crashes and others at the register ---------------------------------------------------------
class Crash : public testing::TestWithParam<const char*> {};

TEST_P(Crash, M10_OfAPodsRecordIsRecovered) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  const MeasureJob lost = podJob();
  expectCode(runMeasure(lost, directory.fd(), &tpm, {.fault = GetParam()}), "E_DIED");
  const MeasureJob next = podJob();
  const auto measured = runMeasure(next, directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  const Replay replay = expectAgreement(directory, tpm);
  EXPECT_FALSE(directory.has("wal"));
  std::map<std::string, int> pods;
  for (const Record& record : replay.records) {
    if (record.event.type == "pod") ++pods[textField(record.event, "pod")];
  }
  EXPECT_EQ(pods[test::podOf(lost)], 1);
  EXPECT_EQ(pods[test::podOf(next)], 1);
  const std::string point = GetParam();
  const bool noteWasLeft = point != "unlink" && point != "state";
  EXPECT_EQ(std::ranges::count(typesOf(replay), "abort"), noteWasLeft ? 1 : 0);
}

TEST_P(Crash, M10_OfTheFirstRecordIsRecovered) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  expectCode(runMeasure(podJob(), directory.fd(), &tpm, {.fault = GetParam()}), "E_DIED");
  const auto measured = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "software");
  const Replay replay = expectAgreement(directory, tpm);
  EXPECT_EQ(std::ranges::count(typesOf(replay), "engine"), 1);
}

TEST_P(Crash, OfAChainWithoutATpmIsRecovered) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr));
  expectCode(runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr, {.fault = GetParam()}),
             "E_DIED");
  const auto measured = runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr);
  ASSERT_TRUE(measured) << measured.error().text();
  const auto replay = replayIn(directory);
  ASSERT_TRUE(replay) << replay.error().text();
  EXPECT_EQ(std::ranges::count(typesOf(*replay), "pod"), 3);
}

INSTANTIATE_TEST_SUITE_P(Points, Crash,
                         testing::Values("wal", "extend", "torn", "log", "readback", "unlink",
                                         "state"));

class CrashAndExtend : public testing::TestWithParam<const char*> {};

TEST_P(CrashAndExtend, M10_AForeignExtendMeanwhilePoisonsTheBoot) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  expectCode(runMeasure(podJob(), directory.fd(), &tpm, {.fault = GetParam()}), "E_DIED");
  extendBySomebodyElse(tpm);
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_POISONED");
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_POISONED");
  const auto measured = runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "none");
  const auto replay = replayIn(directory);
  ASSERT_TRUE(replay) << replay.error().text();
  EXPECT_FALSE(matches(*replay, measured->banks));
  EXPECT_EQ(std::ranges::count(typesOf(*replay), "cap"), 1);
}

INSTANTIATE_TEST_SUITE_P(Points, CrashAndExtend,
                         testing::Values("wal", "extend", "torn", "log", "unlink"));

TEST(Measure, M10_AForeignExtendBetweenTwoOfOursPoisonsTheBootUntilReboot) {
  Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  extendBySomebodyElse(tpm);
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_POISONED");
  const Swtpm rebooted;
  MeasureJob job = podJob();
  job.engine.bootId = "99999999-2222-3333-4444-555555555555";
  const auto measured = runMeasure(job, directory.fd(), &rebooted);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "software");
  EXPECT_FALSE(directory.has("poisoned"));
  expectAgreement(directory, rebooted);
}

TEST(Measure, M12_ALogOfAnotherBootIsPutAside) {
  const Swtpm before;
  const TemporaryDirectory directory;
  const MeasureJob old = podJob();
  ASSERT_TRUE(runMeasure(old, directory.fd(), &before));
  const std::string log = directory.read("events.cel");
  const Swtpm after;
  MeasureJob job = podJob();
  job.engine.bootId = "99999999-2222-3333-4444-555555555555";
  ASSERT_TRUE(runMeasure(job, directory.fd(), &after));
  EXPECT_EQ(directory.read("events-" + old.engine.bootId + ".cel"), log);
  EXPECT_THAT(typesOf(expectAgreement(directory, after)),
              ElementsAre("engine", "policy", "trust", "image", "pod"));
  EXPECT_EQ(replayIn(directory)->chain.bootId, job.engine.bootId);
}

TEST(Measure, M12_ATpmThatWasResetWithinABootPoisonsIt) {
  const Swtpm before;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &before));
  const Swtpm after;
  expectCode(runMeasure(podJob(), directory.fd(), &after), "E_TPM_POISONED");
}

TEST(Measure, M03_AChangedLogIsNotContinued) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  std::string log = directory.read("events.cel");
  directory.write("events.cel", log.substr(0, log.size() / 2));
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_LOG");
  const auto measured = runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  EXPECT_EQ(measured->anchor, "none");
  EXPECT_EQ(directory.read("events-damaged.cel"), log.substr(0, log.size() / 2));
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_POISONED");
}

TEST(Measure, M03_ADeletedLogIsNotBegunAnew) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  ASSERT_TRUE(sys::unlink(directory.fd(), *Component::parse("events.cel")));
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_PCR_USED");
}

TEST(Measure, ALostStateFileCostsOnlyAReading) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  for (const std::string content : {"", "{}", "null"}) {
    directory.write("state", content);
    ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  }
  const Replay replay = expectAgreement(directory, tpm);
  EXPECT_EQ(std::ranges::count(typesOf(replay), "engine"), 1);
  EXPECT_EQ(std::ranges::count(typesOf(replay), "image"), 1);
}

}  // namespace
}  // namespace airlock::tpm
