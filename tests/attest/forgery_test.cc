// SPDX-License-Identifier: Apache-2.0
// Good evidence of a real TPM is accepted; every manipulation of it is refused, for its own reason
// (threats M03 to M12).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/log.h"
#include "tests/attest/audited_host.h"
#include "tpm/canonical.h"
#include "tpm/event.h"

namespace airlock::attest::test {
namespace {

using testing::HasSubstr;

// One host for all: nothing here changes it.
class Forged : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    host_ = new QuotedHost();
    host_->makeKeys();
    host_->run(3);
    good_ = new Files(host_->quote());
  }
  static void TearDownTestSuite() {
    delete good_;
    delete host_;
  }

  // The log with its elements changed; the register is as it was.
  static Verdict withLog(const std::function<void(std::vector<std::string>&)>& edit) {
    Files files = *good_;
    std::vector<std::string> elements = elementsOf(files["events.cel"]);
    edit(elements);
    files["events.cel"] = joined(elements);
    return judgeEvidence(files, host_->publicArea());
  }
  static Verdict with(const Edit& edit) {
    Files files = *good_;
    edit(files);
    return judgeEvidence(files, host_->publicArea());
  }
  // A quote that says something else, signed by a key without restriction.
  static Verdict signedBySoftware(const std::function<void(std::string&)>& edit) {
    const SoftKey key;
    Files files = *good_;
    edit(files["quote"]);
    files["quote.sig"] = key.sign(files["quote"]);
    files.erase("ak.pub");
    return judgeEvidence(files, key.pem());
  }

  static QuotedHost* host_;
  static Files* good_;
};
QuotedHost* Forged::host_ = nullptr;
Files* Forged::good_ = nullptr;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  if (at != text.npos) text.replace(at, from.size(), to);
  return text;
}

// A record with another event, as its writer would have written it.
std::string rewritten(const std::string& element, const std::function<void(tpm::Event&)>& edit) {
  tpm::Record record = tpm::parseRecord(element).value();
  edit(record.event);
  record.digests = tpm::digests(record.digests, tpm::preimage(record.event));
  return tpm::encodeRecord(record);
}

TEST_F(Forged, GoodEvidenceIsAcceptedByAreaAndByPem) {
  EXPECT_EQ(judgeEvidence(*good_, host_->publicArea()).text, "");
  EXPECT_EQ(judgeEvidence(*good_, host_->pem()).text, "");
  const Verdict verdict = with([](Files& files) { files.erase("ak.pub"); });
  EXPECT_EQ(verdict.text, "");
  ASSERT_TRUE(verdict.appraisal.history);
  EXPECT_EQ(verdict.appraisal.history->pods.size(), 3U);
  EXPECT_TRUE(verdict.appraisal.software);
}

TEST_F(Forged, WhatTheEvidenceSaysOfAKeyThatWasGivenAsPemIsItsHostsWord) {
  const auto said = [](const std::string& key) {
    return judgeEvidence(*good_, key).appraisal.notes;
  };
  const auto word = testing::Contains(HasSubstr("it was given as PEM"));
  EXPECT_THAT(said(host_->pem()), word);
  EXPECT_THAT(said(host_->publicArea()), testing::Not(word));
}

TEST_F(Forged, M03_ADroppedRecordIsFound) {
  EXPECT_EQ(withLog([](auto& log) { log.erase(log.begin() + 4); }).code, "E_ATTEST_LOG");
  // The last one: the log reads well, and the register knows better.
  EXPECT_EQ(withLog([](auto& log) { log.pop_back(); }).code, "E_ATTEST_REPLAY");
}

TEST_F(Forged, M03_SwappedAndDoubledRecordsAreFound) {
  EXPECT_EQ(withLog([](auto& log) { std::swap(log[4], log[5]); }).code, "E_ATTEST_LOG");
  EXPECT_EQ(withLog([](auto& log) { log.push_back(log.back()); }).code, "E_ATTEST_LOG");
}

TEST_F(Forged, M03_SwappedRecordsWithTheirNumbersPutRightAreFound) {
  const Verdict verdict = withLog([](auto& log) {
    tpm::Record one = tpm::parseRecord(log[5]).value();
    tpm::Record other = tpm::parseRecord(log[6]).value();
    std::swap(one.number, other.number);
    log[5] = tpm::encodeRecord(other);
    log[6] = tpm::encodeRecord(one);
  });
  EXPECT_EQ(verdict.code, "E_ATTEST_REPLAY");
}

TEST_F(Forged, M03_ATornRecordIsFound) {
  EXPECT_EQ(withLog([](auto& log) { log.back().resize(40); }).code, "E_ATTEST_LOG");
}

TEST_F(Forged, M03_ARetypedRecordIsFound) {
  const Verdict verdict =
      withLog([](auto& log) { log[4] = replaced(log[4], "\"type\":\"pod\"", "\"type\":\"cap\""); });
  EXPECT_EQ(verdict.code, "E_ATTEST_LOG");
}

TEST_F(Forged, M03_AnEditedRecordIsFound) {
  // With the old digests, and with digests that fit.
  const auto edit = [](tpm::Event& event) {
    event.payload = replaced(event.payload, "\"network\":\"none\"", "\"network\":\"host\"");
  };
  EXPECT_EQ(withLog([&](auto& log) {
              tpm::Record record = tpm::parseRecord(log[4]).value();
              edit(record.event);
              log[4] = tpm::encodeRecord(record);
            }).code,
            "E_ATTEST_LOG");
  EXPECT_EQ(withLog([&](auto& log) { log[4] = rewritten(log[4], edit); }).code, "E_ATTEST_REPLAY");
}

TEST_F(Forged, M03_DuplicateKeysAndOtherSpellingsAreFound) {
  for (const char* member : {"\"pcr\":15,", "\"recnum\":4,\"recnum\":4"}) {
    const Verdict verdict = withLog([&](auto& log) {
      log[4] = std::string(member).starts_with("\"pcr\"")
                   ? replaced(log[4], member, std::string(member) + member)
                   : replaced(log[4], "\"recnum\":4", member);
    });
    EXPECT_EQ(verdict.code, "E_ATTEST_LOG") << member;
  }
  EXPECT_EQ(withLog([](auto& log) {
              log[4] = rewritten(log[4], [](tpm::Event& event) {
                event.payload = replaced(event.payload, "{\"apps\"", "{\"apps\":[],\"apps\"");
              });
            }).code,
            "E_ATTEST_LOG");
  EXPECT_EQ(withLog([](auto& log) { log[4] = replaced(log[4], "\"pcr\":15", "\"pcr\": 15"); }).code,
            "E_ATTEST_LOG");
}

TEST_F(Forged, M03_AnUnknownTypeIsFound) {
  EXPECT_EQ(withLog([](auto& log) {
              log[4] = rewritten(log[4], [](tpm::Event& event) { event.type = "note"; });
            }).code,
            "E_ATTEST_LOG");
}

TEST_F(Forged, M03_AFieldMoreIsFoundBeforeTheRegisterIsAsked) {
  EXPECT_EQ(withLog([](auto& log) {
              log[4] = rewritten(log[4], [](tpm::Event& event) {
                event.payload = replaced(event.payload, "{\"apps\"", "{\"also\":\"x\",\"apps\"");
              });
            }).code,
            "E_ATTEST_LOG");
}

// Which register a record is for stands beside what is hashed.
TEST_F(Forged, M03_ARecordForAnotherRegisterIsFound) {
  EXPECT_EQ(withLog([](auto& log) { log[4] = replaced(log[4], "\"pcr\":15", "\"pcr\":14"); }).code,
            "E_ATTEST_LOG");
}

TEST_F(Forged, M04_AReplayedQuoteIsFound) {
  const std::string other = "ffeeddccbbaa99887766554433221100";
  EXPECT_EQ(judgeEvidence(*good_, host_->publicArea(), bytesOf(other)).code, "E_ATTEST_NONCE");
  // A nonce that the quote's begins with is not the quote's.
  EXPECT_EQ(judgeEvidence(*good_, host_->publicArea(), nonce() + '\0').code, "E_ATTEST_NONCE");
}

TEST_F(Forged, M04_AQuoteOfAnotherKeyIsFound) {
  QuotedHost other("sha256,sha384");
  other.run();
  const Files theirs = other.quote();
  EXPECT_EQ(judgeEvidence(theirs, host_->publicArea()).code, "E_ATTEST_AK");
  // Under the name of the trusted key.
  EXPECT_EQ(with([&](Files& files) {
              files["quote"] = theirs.at("quote");
              files["quote.sig"] = theirs.at("quote.sig");
            }).code,
            "E_ATTEST_SIGNATURE");
}

TEST_F(Forged, M04_AQuoteWithoutOurRegisterIsRefused) {
  EXPECT_EQ(judgeEvidence(host_->quote(kNonceHex, "sha256:0,1,2,3"), host_->publicArea()).code,
            "E_ATTEST_SELECTION");
  // In one of its banks only.
  EXPECT_EQ(judgeEvidence(host_->quote(kNonceHex, "sha256:15"), host_->publicArea()).code,
            "E_ATTEST_SELECTION");
}

TEST_F(Forged, M04_ValuesThatWereNotQuotedAreFound) {
  EXPECT_EQ(with([](Files& files) {
              files["pcrs"] = replaced(files["pcrs"], "\"0\":\"00", "\"0\":\"01");
            }).code,
            "E_ATTEST_PCRS");
  EXPECT_EQ(with([](Files& files) {
              files["pcrs"] =
                  replaced(files["pcrs"], "\"0\":\"" + std::string(64, '0') + "\",", "");
            }).code,
            "E_ATTEST_SELECTION");
}

TEST_F(Forged, M04_AValueBesideThoseThatWereQuotedIsRefused) {
  EXPECT_EQ(with([](Files& files) {
              files["pcrs"] = replaced(
                  files["pcrs"], "\"14\":", "\"12\":\"" + std::string(64, '0') + "\",\"14\":");
            }).code,
            "E_ATTEST_SELECTION");
}

TEST_F(Forged, M05_ForgedMagicIsRefused) {
  EXPECT_EQ(signedBySoftware([](std::string& quote) { quote[0] = '\0'; }).code, "E_ATTEST_MAGIC");
  // The same with everything else as it was is a key that we would believe: enrolment must not let
  // it in.
  EXPECT_EQ(signedBySoftware([](std::string&) {}).code, "");
}

TEST_F(Forged, M05_AnotherKindOfStructureIsRefused) {
  EXPECT_EQ(signedBySoftware([](std::string& quote) { quote[5] = '\x17'; }).code, "E_ATTEST_TYPE");
}

TEST_F(Forged, M05_TrailingBytesAreRefused) {
  EXPECT_EQ(signedBySoftware([](std::string& quote) { quote += '\0'; }).code, "E_ATTEST_TRAILING");
  EXPECT_EQ(with([](Files& files) { files["quote.sig"] += '\0'; }).code, "E_ATTEST_TRAILING");
  EXPECT_EQ(with([](Files& files) { files["ak.pub"] += '\0'; }).code, "E_ATTEST_TRAILING");
}

TEST_F(Forged, ASignatureOverAnotherHashIsRefused) {
  EXPECT_EQ(with([](Files& files) { files["quote.sig"][3] = '\x0c'; }).code, "E_ATTEST_SCHEME");
}

TEST_F(Forged, M05_ACutStructureIsRefused) {
  const std::size_t whole = good_->at("quote").size();
  for (std::size_t size = 6; size < whole; size += 7) {
    EXPECT_EQ(signedBySoftware([&](std::string& quote) { quote.resize(size); }).code,
              "E_ATTEST_STRUCTURE")
        << size;
  }
}

TEST_F(Forged, M05_AnEditedQuoteIsFound) {
  for (std::size_t at = 0; at < good_->at("quote").size(); at += 11) {
    EXPECT_EQ(with([&](Files& files) { files["quote"][at] ^= 1; }).code, "E_ATTEST_SIGNATURE")
        << at;
  }
}

TEST_F(Forged, AKeyThatIsNoAttestationKeyIsRefused) {
  const std::string at = host_->files().path() + "/";
  host_->tpm().tools("tpm2_createprimary -C e -G ecc -c " + at + "primary.ctx");
  host_->tpm().tools("tpm2_create -C " + at + "primary.ctx -G ecc256:ecdsa-sha256 -u " + at +
                     "free.pub -r " + at +
                     "free.priv -a "
                     "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'");
  host_->tpm().tools("tpm2_flushcontext -t");
  const std::string area = host_->files().read("free.pub");
  ASSERT_FALSE(area.empty());
  Files files = *good_;
  files["ak.pub"] = area;
  const Verdict verdict = judgeEvidence(files, area);
  EXPECT_EQ(verdict.code, "E_ATTEST_AK");
  EXPECT_THAT(verdict.text, HasSubstr("not restricted"));
}

TEST_F(Forged, TheTrustedKeyUnderOtherAttributesIsRefused) {
  const auto edited = [](Files& files) { files["ak.pub"][8] ^= 4; };  // noDA
  const Verdict verdict = with(edited);
  EXPECT_EQ(verdict.code, "E_ATTEST_AK");
  EXPECT_THAT(verdict.text, HasSubstr("as another one"));
}

TEST_F(Forged, WhatIsMissingAndWhatIsUnknownIsNamed) {
  for (const char* name : {"quote", "quote.sig", "pcrs", "events.cel"}) {
    const Verdict verdict = with([&](Files& files) { files.erase(name); });
    EXPECT_EQ(verdict.code, "E_ATTEST_EVIDENCE");
    EXPECT_THAT(verdict.text, HasSubstr(name));
  }
  EXPECT_EQ(with([](Files& files) { files["note.txt"] = "hello"; }).code, "E_ATTEST_EVIDENCE");
}

// --- hosts of their own ---

TEST(ForgedHost, M06_ALogAboutARegisterThatCanBeResetIsRefused) {
  QuotedHost host;
  ipc::MeasureJob job = tpm::test::podJob();
  job.pcr = 14;
  host.run(job);
  // Root could have made this history up, on a host whose engine uses another register: the
  // verifier knows which one it uses.
  const Files other = host.quote(kNonceHex, "sha256:0,14+sha384:14");
  EXPECT_EQ(judgeEvidence(other, host.publicArea()).code, "E_ATTEST_SELECTION");
  EXPECT_EQ(
      judgeEvidence(other, host.publicArea(), nonce(), R"({"airlockFleetPolicy":1,"pcr":14})").code,
      "");
  EXPECT_EQ(
      judgeEvidence(other, host.publicArea(), nonce(), R"({"airlockFleetPolicy":1,"pcr":13})").code,
      "E_ATTEST_POLICY_REGISTER");
  // Somebody else's log, replayed into a register that anybody can reset.
  Files files;
  std::string command = "tpm2_pcrextend";
  std::vector<std::string> log = elementsOf(host.log().read("events.cel"));
  for (std::string& element : log) {
    tpm::Record record = tpm::parseRecord(element).value();
    record.pcr = 16;
    element = tpm::encodeRecord(record);
    std::string digests;
    for (const auto& bank : tpm::bankTexts(record.digests)) {
      digests += (digests.empty() ? "" : ",") + bank.algorithm + "=" + bank.value;
    }
    command += " 16:" + digests;
  }
  host.tpm().tools(command);
  files = host.quote(kNonceHex, "sha256:0,16+sha384:16");
  files["events.cel"] = joined(log);
  const Verdict verdict = judgeEvidence(files, host.publicArea());
  EXPECT_EQ(verdict.code, "E_ATTEST_SELECTION");
  EXPECT_THAT(verdict.text, HasSubstr("reset"));
}

TEST(ForgedHost, M07_ABankThatTheLogDoesNotHaveIsRefused) {
  QuotedHost host("sha256,sha384");
  host.run();
  // The log as if only one bank had been there, at every place that names them.
  Files files = host.quote();
  std::vector<std::string> log = elementsOf(files["events.cel"]);
  for (std::string& element : log) {
    tpm::Record record = tpm::parseRecord(element).value();
    record.digests.pop_back();
    element = tpm::encodeRecord(record);
  }
  files["events.cel"] = joined(log);
  EXPECT_EQ(judgeEvidence(files, host.publicArea()).code, "E_ATTEST_BANK");
}

TEST(ForgedHost, M07_AQuotedBankThatWasNeverExtendedIsRefused) {
  QuotedHost host("sha256,sha384");
  // A measuring process that knew of one bank only.
  ipc::MeasureJob job = tpm::test::podJob();
  tpm::EngineContext context{.mode = ipc::MeasureMode::Require,
                             .anchor = "hardware",
                             .before = {{tpm::kSha256, tpm::Bytes(32)}}};
  const std::vector<tpm::Event> events{tpm::engineEvent(job.engine, context),
                                       tpm::policyEvent(job.engine), tpm::trustEvent(job.engine)};
  std::string log;
  std::uint64_t number = 0;
  for (const tpm::Event& event : events) {
    const tpm::Banks digests = tpm::digests({{tpm::kSha256, tpm::Bytes(32)}}, tpm::preimage(event));
    log += tpm::encodeRecord({number++, 15, digests, event});
    host.tpm().tools("tpm2_pcrextend 15:sha256=" + tpm::bankTexts(digests)[0].value);
  }
  Files files = host.quote();
  files["events.cel"] = log;
  EXPECT_EQ(judgeEvidence(files, host.publicArea()).code, "E_ATTEST_BANK");
}

TEST(ForgedHost, M10_AForeignExtendIsFound) {
  QuotedHost host;
  host.run();
  host.tpm().tools("tpm2_pcrextend 15:sha256=" + std::string(64, '7'));
  EXPECT_EQ(judgeEvidence(host.quote(), host.publicArea()).code, "E_ATTEST_REPLAY");
}

TEST(ForgedHost, M10_AForeignExtendOfOneBankIsFoundWhicheverItIs) {
  QuotedHost host;
  host.run();
  host.tpm().tools("tpm2_pcrextend 15:sha384=" + std::string(96, '7'));
  EXPECT_EQ(judgeEvidence(host.quote(), host.publicArea()).code, "E_ATTEST_REPLAY");
}

TEST(ForgedHost, M07_Sha1AloneIsRefused) {
  QuotedHost host("sha1,sha256");
  const ipc::MeasureJob job = tpm::test::podJob();
  const tpm::EngineContext context{.mode = ipc::MeasureMode::Require,
                                   .anchor = "hardware",
                                   .before = {{tpm::kSha1, tpm::Bytes(20)}},
                                   .resets = resetsOf(host)};
  std::string log;
  std::uint64_t number = 0;
  for (const tpm::Event& event : {tpm::engineEvent(job.engine, context),
                                  tpm::policyEvent(job.engine), tpm::trustEvent(job.engine)}) {
    const tpm::Banks digests = tpm::digests({{tpm::kSha1, tpm::Bytes(20)}}, tpm::preimage(event));
    log += tpm::encodeRecord({number++, 15, digests, event});
    host.tpm().tools("tpm2_pcrextend 15:sha1=" + tpm::bankTexts(digests)[0].value);
  }
  Files files = host.quote(kNonceHex, "sha1:15");
  files["events.cel"] = log;
  const Verdict verdict = judgeEvidence(files, host.publicArea());
  EXPECT_EQ(verdict.code, "E_ATTEST_BANK");
  EXPECT_THAT(verdict.text, HasSubstr("only bank"));
}

TEST(ForgedHost, M10_ARegisterThatWasUsedBeforeTheLogIsFound) {
  QuotedHost host;
  host.tpm().tools("tpm2_pcrextend 15:sha256=" + std::string(64, '7') +
                   ",sha384=" + std::string(96, '7'));
  ipc::MeasureJob job = tpm::test::podJob(ipc::MeasureMode::Log);
  host.run(job);
  EXPECT_EQ(judgeEvidence(host.quote(), host.publicArea()).code, "E_ATTEST_ANCHOR");
}

TEST(ForgedHost, M11_M12_ALogOfAnotherBootIsRefused) {
  QuotedHost host;
  host.run();
  host.makeKeys();
  const Files before = host.quote();
  // The host boots again: registers are zero, the TPM counts a reset; nothing runs.
  host.tpm().reboot();
  Files after = host.quote();
  after["events.cel"] = before.at("events.cel");
  EXPECT_EQ(judgeEvidence(after, host.publicArea()).code, "E_ATTEST_BOOT");
  // Then the register is made to hold what the old log leads to: only the TPM's counter tells.
  std::string command = "tpm2_pcrextend";
  for (const std::string& element : elementsOf(before.at("events.cel"))) {
    std::string digests;
    for (const auto& bank : tpm::bankTexts(tpm::parseRecord(element)->digests)) {
      digests += (digests.empty() ? "" : ",") + bank.algorithm + "=" + bank.value;
    }
    command += " 15:" + digests;
  }
  host.tpm().tools(command);
  after = host.quote();
  after["events.cel"] = before.at("events.cel");
  const Verdict verdict = judgeEvidence(after, host.publicArea());
  EXPECT_EQ(verdict.code, "E_ATTEST_BOOT");
  EXPECT_THAT(verdict.text, HasSubstr("another boot"));
}

TEST(ForgedHost, M11_ALogThatCountsMoreRestartsThanTheQuoteIsRefused) {
  QuotedHost host;
  const ipc::MeasureJob job = tpm::test::podJob();
  const tpm::EngineContext context{
      .mode = ipc::MeasureMode::Require,
      .anchor = "hardware",
      .before = {{tpm::kSha256, tpm::Bytes(32)}, {tpm::kSha384, tpm::Bytes(48)}},
      .resets = resetsOf(host),
      .restarts = 1};
  Files files = host.quote();
  files["events.cel"] = host.extend({tpm::engineEvent(job.engine, context),
                                     tpm::policyEvent(job.engine), tpm::trustEvent(job.engine)});
  for (const auto& [name, content] : host.quote()) {
    if (name != "events.cel") files[name] = content;
  }
  const Verdict verdict = judgeEvidence(files, host.publicArea());
  EXPECT_EQ(verdict.code, "E_ATTEST_BOOT");
  EXPECT_THAT(verdict.text, HasSubstr("more restarts"));
}

}  // namespace
}  // namespace airlock::attest::test
