// SPDX-License-Identifier: Apache-2.0
// What the log says and what its reader refuses; no TPM needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/limits.h"
#include "tpm/canonical.h"
#include "tpm/event.h"
#include "tpm/event_log.h"
#include "tpm/hash.h"
#include "tpm/replay.h"
#include "tpm/test_tpm.h"

namespace airlock::tpm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Banks kTwoBanks{{kSha256, Bytes(32)}, {kSha384, Bytes(48)}};

// A log as the measuring process writes it, element by element.
std::vector<std::string> goodLog(const std::string& selinux = "") {
  ipc::MeasureJob job = test::podJob();
  std::get<ipc::PodFacts>(*job.event).selinux = selinux;
  EngineContext context{.mode = ipc::MeasureMode::Require, .anchor = "hardware"};
  const std::vector<Event> events{
      engineEvent(job.engine, context), policyEvent(job.engine), trustEvent(job.engine),
      imageEvent(job.images[0]),        jobEvent(*job.event),    capEvent("shutdown")};
  std::vector<std::string> elements;
  for (const Event& event : events) {
    elements.push_back(
        encodeRecord({elements.size(), 15, digests(kTwoBanks, preimage(event)), event}));
  }
  return elements;
}

std::string joined(const std::vector<std::string>& elements) {
  std::string text;
  for (const std::string& element : elements) text += element;
  return text;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

void expectRefused(const std::string& text, const std::string& why) {
  const auto replay = replayText(text);
  ASSERT_FALSE(replay) << why;
  EXPECT_EQ(replay.error().code(), "E_TPM_LOG") << why << ": " << replay.error().text();
}

TEST(Hash, GivesThePublishedValues) {
  const std::string_view abc = "abc";
  EXPECT_EQ(toHex(hash(kSha1, abc)), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(toHex(hash(kSha256, abc)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(toHex(hash(kSha384, abc)),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(toHex(hash(kSm3, abc)),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
}

TEST(Hash, TwoBlocksOfPaddingGiveThePublishedValues) {
  const std::string_view text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  EXPECT_EQ(toHex(hash(kSha1, text)), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  std::string sm3;
  for (int i = 0; i < 16; ++i) sm3 += "abcd";
  EXPECT_EQ(toHex(hash(kSm3, sm3)),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
}

TEST(Event, TypeStandsInsideTheHashedBytes) {
  EXPECT_EQ(preimage({"pod", "{}"}), std::string("airlock.v1\0pod\0{}", 17));
  EXPECT_NE(preimage({"pod", "{}"}), preimage({"po", "d{}"}));
}

TEST(Event, PayloadIsCanonicalJson) {
  ipc::MeasureJob job = test::makeJob(ipc::MeasureMode::Log);
  job.images[0].origin = "https://ex\xc3\xa4mple/\n\xff";
  const Event event = imageEvent(job.images[0]);
  EXPECT_THAT(event.payload, HasSubstr("\"origin\":\"https://ex\\u00e4mple/\\n\\ufffd\""));
  EXPECT_THAT(event.payload, testing::StartsWith("{\"content\":\"rehash\",\"image\":\"sha512-aa"));
  EXPECT_TRUE(parseCanonical(event.payload, 8, "it"));
}

TEST(Event, APodsSelinuxTypeIsSaidOnlyWhereThereIsOne) {
  ipc::PodFacts facts{.pod = PodId::random(), .stage1 = "container", .network = "none"};
  EXPECT_THAT(jobEvent(facts).payload, testing::Not(HasSubstr("selinux")));
  facts.selinux = "airlock_pod_t";
  EXPECT_THAT(jobEvent(facts).payload, HasSubstr("\"selinux\":\"airlock_pod_t\""));
}

TEST(Event, TheLineOfTheAuditRecordIsSaidOnlyWhereThereIsOne) {
  const std::string line = "sha256-" + std::string(64, 'a');
  for (ipc::PodFacts facts{.pod = PodId::random()}; facts.audit.empty(); facts.audit = line)
    EXPECT_THAT(jobEvent(facts).payload, testing::Not(HasSubstr("audit")));
  EXPECT_THAT(jobEvent(ipc::PodFacts{.audit = line}).payload,
              HasSubstr("\"audit\":\"" + line + "\""));
  EXPECT_THAT(jobEvent(ipc::EnterFacts{}).payload, testing::Not(HasSubstr("audit")));
  EXPECT_THAT(jobEvent(ipc::EnterFacts{.audit = line}).payload,
              HasSubstr("\"audit\":\"" + line + "\""));
}

TEST(Event, EngineFingerprintIgnoresWhatDiffersEachTime) {
  const ipc::EngineFacts facts = test::makeJob(ipc::MeasureMode::Log).engine;
  EngineContext one{.mode = ipc::MeasureMode::Log, .anchor = "software"};
  EngineContext other = one;
  other.resets = 7;
  other.before = kTwoBanks;
  other.tpm = "IBM SW TPM";
  EXPECT_EQ(fingerprint(engineEvent(facts, one)), fingerprint(engineEvent(facts, other)));
  other.mode = ipc::MeasureMode::Require;
  EXPECT_NE(fingerprint(engineEvent(facts, one)), fingerprint(engineEvent(facts, other)));
}

TEST(Replay, AcceptsWhatWeWrite) {
  const auto replay = replayText(joined(goodLog()));
  ASSERT_TRUE(replay) << replay.error().text();
  EXPECT_THAT(test::typesOf(*replay),
              ElementsAre("engine", "policy", "trust", "image", "pod", "cap"));
  EXPECT_EQ(replay->chain.anchor, "hardware");
  EXPECT_THAT(summarize(replay->records[3].event), HasSubstr("example.com/app sha512-aaaa"));
  EXPECT_THAT(summarize(replay->records[4].event), HasSubstr(" app=sha512-aaaa"));
  EXPECT_TRUE(matches(*replay, bankTexts(replay->chain.values)));
}

TEST(Replay, APodMayHaveASelinuxTypeAndNothingElseThatIsNew) {
  EXPECT_TRUE(replayText(joined(goodLog("airlock_pod_t"))));
  const auto refused = [](const std::string& more) {
    Event pod = jobEvent(*test::podJob().event);
    pod.payload = replaced(pod.payload, "\"spec\":", more + "\"spec\":");
    expectRefused(encodeRecord({0, 15, digests(kTwoBanks, preimage(pod)), pod}), more);
  };
  refused("\"selinux\":7,");
  refused("\"selinus\":\"airlock_pod_t\",");
}

TEST(Replay, ALineOfTheAuditRecordIsADigest) {
  const Event pod = jobEvent(*test::podJob().event);
  const auto parses = [&](const std::string& line) {
    const std::string more = "\"audit\":" + line + ",\"caller_uid\":";
    const Event changed{pod.type, replaced(pod.payload, "\"caller_uid\":", more)};
    return parseRecord(encodeRecord({0, 15, digests(kTwoBanks, preimage(changed)), changed}))
        .has_value();
  };
  EXPECT_TRUE(parses("\"sha256-" + std::string(64, 'a') + "\""));
  for (const char* line : {"7", "\"\"", "\"sha256-aa\""}) EXPECT_FALSE(parses(line)) << line;
}

TEST(Replay, M07_ComparesEveryBankAndNoOther) {
  const auto replay = replayText(joined(goodLog()));
  ASSERT_TRUE(replay);
  auto banks = bankTexts(replay->chain.values);
  banks.pop_back();
  EXPECT_FALSE(matches(*replay, banks));
  EXPECT_FALSE(matches(*replay, {}));
}

TEST(Replay, AnEmptyLogLeadsNowhere) {
  const auto replay = replayText("");
  ASSERT_TRUE(replay);
  EXPECT_EQ(replay->chain.records, 0U);
}

TEST(Replay, M03_ARecordDroppedAtTheEndDoesNotMatchTheRegister) {
  auto elements = goodLog();
  const auto whole = replayText(joined(elements));
  elements.pop_back();
  const auto shorter = replayText(joined(elements));
  ASSERT_TRUE(whole && shorter);
  EXPECT_FALSE(matches(*shorter, bankTexts(whole->chain.values)));
}

TEST(Replay, M03_DroppedSwappedAndDoubledRecordsAreRefused) {
  for (std::size_t i = 0; i + 1 < goodLog().size(); ++i) {
    auto dropped = goodLog();
    dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(i));
    expectRefused(joined(dropped), "dropped " + std::to_string(i));
    auto swapped = goodLog();
    std::swap(swapped[i], swapped[i + 1]);
    expectRefused(joined(swapped), "swapped " + std::to_string(i));
    auto doubled = goodLog();
    doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), doubled[i]);
    expectRefused(joined(doubled), "doubled " + std::to_string(i));
  }
}

TEST(Replay, M03_RenumberedDropIsRefusedByTheOrderRule) {
  const ipc::MeasureJob job = test::podJob();
  const Event engine = engineEvent(job.engine, {.anchor = "hardware"});
  const Event pod = jobEvent(*job.event);
  expectRefused(encodeRecord({0, 15, digests(kTwoBanks, preimage(pod)), pod}), "no engine");
  expectRefused(encodeRecord({0, 15, digests(kTwoBanks, preimage(engine)), engine}) +
                    encodeRecord({1, 15, digests(kTwoBanks, preimage(pod)), pod}),
                "no policy");
}

TEST(Replay, M03_EveryTornLogIsRefused) {
  const std::string text = joined(goodLog());
  const std::size_t last = text.rfind('\x1e');
  for (std::size_t size = last + 1; size < text.size(); ++size) {
    expectRefused(text.substr(0, size), "torn at " + std::to_string(size));
  }
}

TEST(Replay, M03_EveryChangedByteIsRefused) {
  const std::string text = joined(goodLog());
  for (std::size_t at = 0; at < text.size(); at += 3) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 0x01);
    expectRefused(changed, "byte " + std::to_string(at));
  }
}

TEST(Replay, M03_OtherSpellingsAndShapesAreRefused) {
  const std::string text = joined(goodLog());
  const struct {
    std::string from, to;
  } changes[]{
      {"\"type\":\"pod\"", "\"type\":\"enter\""},
      {"\"type\":\"cap\"", "\"type\":\"cape\""},
      {"\"pcr\":15", "\"pcr\":14"},
      {"\"pcr\":15", "\"pcr\":15,\"pcr\":15"},
      {"\"pcr\":15", "\"pcr\": 15"},
      {"\"pcr\":15", "\"pcr\":15.0"},
      {"\"pcr\":15", "\"pcr\":\"15\""},
      {"\"pcr\":15", "\"other\":1,\"pcr\":15"},
      {"\"content_type\":\"airlock\"", "\"content_type\":\"systemd\""},
      {"\"recnum\":0", "\"recnum\":18446744073709551616"},
      {"\"hashAlg\":\"sha256\"", "\"hashAlg\":\"sha1\""},
      {"\"sha384\"", "\"sh\\u0061384\""},
      {"\x1e", ""},
      {"\n", "\r\n"},
      {"\n", "\n\n"},
      {"\n", " \n"},
  };
  for (const auto& change : changes) {
    expectRefused(replaced(text, change.from, change.to), change.from + " -> " + change.to);
  }
}

TEST(Replay, M03_ADigestThatIsNotTheContentsIsRefused) {
  const ipc::MeasureJob job = test::podJob();
  const Event engine = engineEvent(job.engine, {.anchor = "hardware"});
  Banks wrong = digests(kTwoBanks, preimage(engine));
  wrong[1].value[0] ^= 1;
  expectRefused(encodeRecord({0, 15, wrong, engine}), "one bank of two");
}

TEST(Replay, M03_APayloadWithADoubledKeyIsRefused) {
  const Event doubled{"cap", R"({"reason":"a","reason":"b"})"};
  expectRefused(encodeRecord({0, 15, digests(kTwoBanks, preimage(doubled)), doubled}), "doubled");
  const Event deep{"cap", std::string(4000, '[') + std::string(4000, ']')};
  expectRefused(encodeRecord({0, 15, digests(kTwoBanks, preimage(deep)), deep}), "deep");
}

TEST(EventLog, StateFileOnlyCountsWhenItFitsTheLog) {
  const test::TemporaryDirectory directory;
  auto log = EventLog::lock(directory.fd());
  ASSERT_TRUE(log) << log.error().text();
  LogState state;
  for (const std::string& element : goodLog()) ASSERT_TRUE(log->append(state, element));
  ASSERT_TRUE(log->saveState(state));
  directory.write("state", replaced(directory.read("state"), "\"records\":6", "\"records\":9"));
  EXPECT_EQ(log->load()->chain.records,
            9U);  // the length fits: it is believed, the register decides
  EXPECT_EQ(log->reload()->chain.records, 6U);
  directory.write("state", replaced(directory.read("state"), "\"bytes\":", "\"bytes\":1"));
  EXPECT_EQ(log->load()->chain.records, 6U);
  directory.write("state", "{");
  EXPECT_EQ(log->load()->chain.records, 6U);
  EXPECT_EQ(log->load()->images.size(), 1U);
}

TEST(EventLog, IsFullBeforeTheRoomForACapIsUsedUp) {
  const test::TemporaryDirectory directory;
  auto log = EventLog::lock(directory.fd());
  ASSERT_TRUE(log) << log.error().text();
  LogState state;
  const std::string engine = goodLog()[0];
  EXPECT_TRUE(EventLog::expectRoom(state, engine.size()));
  state.bytes = limits::kEventLogBytes - engine.size();
  EXPECT_EQ(EventLog::expectRoom(state, 1).error().code(), "E_TPM_LOG_FULL");
  EXPECT_TRUE(log->append(state, engine));
  EXPECT_EQ(log->append(state, goodLog()[1]).error().code(), "E_TPM_LOG_FULL");
}

}  // namespace
}  // namespace airlock::tpm
