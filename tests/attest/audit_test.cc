// SPDX-License-Identifier: Apache-2.0
// The audit record, tied to the register; and who vouched for what ran.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/report.h"
#include "tests/attest/audited_host.h"

namespace airlock::attest::test {
namespace {

using testing::HasSubstr;

constexpr char kSigner[] = "0123456789abcdef0123456789abcdef01234567";

class Audited : public testing::Test {
 protected:
  static void SetUpTestSuite() { host_ = new AuditedHost(); }
  static void TearDownTestSuite() { delete host_; }

  static Verdict with(const Edit& edit, const std::string& trust = "",
                      const std::string& policy = "") {
    Files files = host_->good;
    edit(files);
    return judgeExport(files, host_->host.publicArea(), trust, policy);
  }
  static Verdict withLines(const std::function<void(std::vector<std::string>&)>& edit) {
    return with([&](Files& files) {
      Trail trail = host_->trail;
      edit(trail.lines());
      files["audit.jsonl"] = trail.text();
    });
  }
  static std::string trust(const std::string& more = "") {
    return "key\texample.com/app\t" + std::string(kSigner) + "\nkey\texample.com/web\t" +
           host_->webSigner.fingerprint() + "\n" + more;
  }
  static void nothing(Files&) {}
  static AuditedHost* host_;
};
AuditedHost* Audited::host_ = nullptr;

bool hasNote(const Verdict& verdict, const std::string& part) {
  return std::ranges::any_of(verdict.appraisal.notes,
                             [&](const std::string& note) { return note.find(part) != note.npos; });
}

TEST_F(Audited, AWholeRecordIsAcceptedAndSaidToBeCoveredAsFarAsItIs) {
  const Verdict verdict = with(nothing, trust());
  EXPECT_EQ(verdict.text, "");
  EXPECT_TRUE(hasNote(verdict, "the last 1 line(s)"));
  EXPECT_TRUE(hasNote(verdict, "no nonce was given"));
}

TEST_F(Audited, ALineThatIsMissingChangedOrMovedIsFound) {
  EXPECT_EQ(withLines([](auto& lines) { lines.erase(lines.begin() + 2); }).code, "E_ATTEST_AUDIT");
  EXPECT_EQ(withLines([](auto& lines) { std::swap(lines[1], lines[2]); }).code, "E_ATTEST_AUDIT");
  EXPECT_EQ(withLines([](auto& lines) { lines.push_back(lines.back()); }).code, "E_ATTEST_AUDIT");
  EXPECT_EQ(withLines([](auto& lines) { lines[1].replace(lines[1].find("run"), 3, "rum"); }).code,
            "E_ATTEST_AUDIT");
  EXPECT_EQ(withLines([](auto& lines) { lines[1] += '\x18'; }).code, "E_ATTEST_AUDIT");
  EXPECT_EQ(withLines([](auto& lines) { lines.clear(); }).code, "E_ATTEST_AUDIT");
  EXPECT_EQ(with([](Files& files) { files.erase("audit.jsonl"); }).code, "E_ATTEST_EVIDENCE");
  EXPECT_EQ(with([](Files& files) { files["audit.jsonl"].pop_back(); }).code, "E_ATTEST_AUDIT");
}

TEST_F(Audited, AWholeOtherRecordIsFoundByWhatTheRegisterCovers) {
  // Every line names the one before, and somebody else has been run.
  EXPECT_EQ(with([](Files& files) {
              Trail other;
              for (int i = 0; i < 5; ++i) other.add("run", PodId::random().text());
              files["audit.jsonl"] = other.text();
            }).code,
            "E_ATTEST_AUDIT");
}

TEST_F(Audited, ARecordMayBeginLaterButNotBehindWhatIsNamed) {
  const Verdict later = withLines([](auto& lines) { lines.erase(lines.begin()); });
  EXPECT_EQ(later.text, "");
  EXPECT_TRUE(hasNote(later, "begins with line 1"));
  EXPECT_FALSE(hasNote(with(nothing), "begins with line"));
  EXPECT_EQ(withLines([](auto& lines) { lines.erase(lines.begin(), lines.begin() + 2); }).code,
            "E_ATTEST_AUDIT");
}

// The helper closes what it takes for a line that a crash has torn, and names it: but that line
// does not name the one before, which root exchanges later.
TEST(AuditedTornLine, DoesNotHoldWhatStandsBeforeItAndThatIsSaid) {
  QuotedHost host;
  Trail trail;
  const ipc::MeasureJob job = tpm::test::podJob();
  const tpm::EngineContext context{
      .mode = ipc::MeasureMode::Require,
      .anchor = "software",
      .before = {{tpm::kSha256, tpm::Bytes(32)}, {tpm::kSha384, tpm::Bytes(48)}},
      .resets = resetsOf(host),
      .restarts = 0};
  const auto& first = std::get<ipc::PodFacts>(*job.event);
  ipc::PodFacts second = first;
  second.pod = PodId::random();
  const std::string one = trail.add("run", first.pod.text());
  trail.add("import", "");
  trail.add("trust", "");
  trail.tear();
  const std::string two = trail.add("run", second.pod.text());
  const std::string log =
      host.extend({tpm::engineEvent(job.engine, context), tpm::policyEvent(job.engine),
                   tpm::trustEvent(job.engine), tpm::imageEvent(job.images[0]),
                   withAudit(tpm::podEvent(first), one), withAudit(tpm::podEvent(second), two)});
  Files files = host.quote();
  files["events.cel"] = log;
  files["trusted/" + std::string(kKeyPath)] = kKeyFile;
  const auto judged = [&](const Trail& lines) {
    files["audit.jsonl"] = lines.text();
    return judgeExport(files, host.publicArea());
  };
  const Verdict honest = judged(trail);
  EXPECT_EQ(honest.text, "");
  EXPECT_TRUE(hasNote(honest, "2 line(s) of the audit record stand before a torn one"));
  // What was imported and trusted is exchanged for two refusals that never were.
  Trail other;
  other.lines() = {trail.lines()[0]};
  other.follow(one);
  other.add("attach", first.pod.text());
  other.add("attach", first.pod.text());
  other.lines().push_back(trail.lines()[3]);
  other.lines().push_back(trail.lines()[4]);
  const Verdict forged = judged(other);
  EXPECT_EQ(forged.text, "");
  EXPECT_TRUE(hasNote(forged, "2 line(s) of the audit record stand before a torn one"));
  EXPECT_THAT(textReport(forged.appraisal), HasSubstr("3 line(s) covered by the register"));
}

TEST_F(Audited, EveryImageNeedsASignerThatTheAuditorTrustsForItsName) {
  EXPECT_EQ(with(nothing, trust()).text, "");
  const std::string appOnly = "key\texample.com/app\t" + std::string(kSigner) + "\n";
  EXPECT_EQ(with(nothing, appOnly).code, "E_ATTEST_POLICY_SIGNER");
  EXPECT_EQ(
      with(nothing, appOnly + "key\texample.com/we\t" + host_->webSigner.fingerprint() + "\n").code,
      "E_ATTEST_POLICY_SIGNER");
  EXPECT_EQ(with(nothing, appOnly + "key\t\t" + host_->webSigner.fingerprint() + "\n").text, "");
}

TEST_F(Audited, AnImageIsGoldenWithItsWholeEntryOrNeedsASigner) {
  const std::string webOnly = "key\texample.com/web\t" + host_->webSigner.fingerprint() + "\n";
  const std::string app = "sha512-" + std::string(128, 'a');
  const auto policy = [&](const std::string& more) {
    return R"({"airlockFleetPolicy":1,"images":{"golden":[{"image":")" + app + R"(")" + more +
           R"(}],"signedBy":[{"prefix":"","key":")" + std::string(kSigner) +
           R"("},{"prefix":"","key":")" + host_->webSigner.fingerprint() + R"("}]}})";
  };
  EXPECT_EQ(with(nothing, webOnly, policy("")).text, "");
  EXPECT_EQ(with(nothing, webOnly, policy(R"(,"content":"verity:sha256-0")")).code,
            "E_ATTEST_POLICY_SIGNER");
}

TEST_F(Audited, ASignatureThatIsNotGoodAnyMoreCountsForNothing) {
  const std::string head = "verified\t" + host_->image + "\t";
  EXPECT_EQ(with(nothing, trust(head + "\n" + head + host_->webSigner.fingerprint() + "\n")).text,
            "");
  const Verdict verdict = with(nothing, trust(head + "\n"));
  EXPECT_EQ(verdict.code, "E_ATTEST_POLICY_SIGNER");
  EXPECT_THAT(verdict.text, HasSubstr("no good signature"));
}

TEST_F(Audited, TheHostsKeysAreThoseThatWereMeasured) {
  const auto code = [](const std::string& path, std::optional<std::string> content) {
    const Verdict verdict = with([&](Files& files) {
      if (content) {
        files["trusted/" + path] = *content;
      } else {
        files.erase("trusted/" + path);
      }
    });
    return verdict.code + " " + verdict.text;
  };
  EXPECT_EQ(code(kKeyPath, kKeyFile), " ");
  EXPECT_THAT(code(kKeyPath, "another key"),
              testing::AllOf(HasSubstr("E_ATTEST_KEYS"), HasSubstr("another content")));
  EXPECT_THAT(code(kKeyPath, std::nullopt),
              testing::AllOf(HasSubstr("E_ATTEST_KEYS"), HasSubstr("is missing")));
  const std::string more(40, 'a');
  EXPECT_THAT(code("root.d/" + more, "a key"),
              testing::AllOf(HasSubstr("E_ATTEST_KEYS"), HasSubstr("was not trusted")));
  EXPECT_THAT(code("rekor.d/sha256-" + std::string(64, 'a'), "a log"), HasSubstr("E_ATTEST_KEYS"));
  EXPECT_THAT(code("prefix.d/" + more, "a key"), HasSubstr("is no file of a key"));
}

TEST_F(Audited, AnIndexNamesTheManifestThatItIsOf) {
  const std::string place = "images/" + host_->image + "/oci-index";
  EXPECT_EQ(with([&](Files& files) { files[place] = host_->indexOf(host_->manifest); }).text, "");
  EXPECT_EQ(with([&](Files& files) { files[place] = host_->indexOf("other"); }).code,
            "E_ATTEST_IMAGE");
  EXPECT_EQ(with([&](Files& files) { files[place] = host_->manifest; }).code, "E_ATTEST_IMAGE");
  EXPECT_EQ(with([&](Files& files) { files[place] = std::string(5'000'000, ' '); }).code,
            "E_ATTEST_IMAGE");
}

TEST_F(Audited, WhoSignedIsSaidToBeTheEnginesWordUntilItWasVerifiedAgain) {
  const std::string app = "sha512-" + std::string(128, 'a');
  const Verdict recorded = with(nothing, trust());
  EXPECT_THAT(textReport(recorded.appraisal), HasSubstr("(as the measured engine says)"));
  EXPECT_TRUE(hasNote(recorded, "--image"));
  const auto again =
      trust("verified\t" + app + "\t\nverified\t" + app + "\t" + std::string(kSigner) + "\n");
  const Verdict verified = with(nothing, again);
  EXPECT_EQ(verified.text, "");
  EXPECT_FALSE(hasNote(verified, "--image"));
  EXPECT_THAT(textReport(verified.appraisal),
              HasSubstr(std::string(kSigner) + " (verified again)"));
  EXPECT_THAT(jsonReport(verified.appraisal), HasSubstr(R"("signature": "verified again")"));
  const Verdict stray = with(nothing, trust("stray\tsha512-ab\t/tmp/a.aci\n"));
  EXPECT_TRUE(hasNote(stray, "/tmp/a.aci was given, and no record is about it"));
}

TEST_F(Audited, APolicyCanDemandThatSignaturesAreVerifiedAgain) {
  const std::string policy = R"({"airlockFleetPolicy":1,"images":{"verifiedAgain":true}})";
  const std::string app = "verified\tsha512-" + std::string(128, 'a') + "\t";
  const std::string web = "verified\t" + host_->image + "\t";
  // Root leaves the signature out of the export.
  EXPECT_EQ(with(nothing, trust(), policy).code, "E_ATTEST_POLICY_SIGNER");
  EXPECT_EQ(with(nothing, trust(app + kSigner + "\n"), policy).code, "E_ATTEST_POLICY_SIGNER");
  EXPECT_EQ(with(nothing, trust(app + kSigner + "\n" + web + host_->webSigner.fingerprint() + "\n"),
                 policy)
                .text,
            "");
  // Who does not look at signatures does not meet it.
  EXPECT_EQ(with(nothing, "", policy).code, "E_ATTEST_POLICY_SIGNER");
  EXPECT_EQ(judgeEvidence(host_->good, host_->host.publicArea(), nonce(), policy).code,
            "E_ATTEST_POLICY_SIGNER");
}

TEST(AuditedDependency, WhoSignedItIsSaidNotToBeKnown) {
  AuditorsTrust trust{.keys = {{"", kSigner}}, .verified = {{"a", {kSigner}}}, .strays = {}};
  History history;
  history.images.push_back(
      {.image = "a", .name = "example.com/app", .signers = {kSigner}, .dependencies = {"base b"}});
  const auto found = checkSigners(history, trust, nullptr);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->notes, testing::ElementsAre(HasSubstr("was rendered with base b")));
  FleetPolicy policy;
  policy.images.verifiedAgain = true;
  EXPECT_FALSE(checkSigners(history, trust, &policy));
  policy.images.golden = {{.image = "b", .tree = "", .content = ""}};
  EXPECT_TRUE(checkSigners(history, trust, &policy));
}

TEST_F(Audited, ARecordOfAnotherBootIsNotTakenBesideALogThatNamesNoneOfIt) {
  QuotedHost host;
  ipc::MeasureJob job = tpm::test::podJob();
  job.engine.bootId = "99999999-2222-3333-4444-555555555555";
  host.run(job);
  Files files = host.quote();
  files["trusted/" + std::string(kKeyPath)] = kKeyFile;
  files["audit.jsonl"] = host_->trail.text();
  const Verdict verdict = judgeExport(files, host.publicArea());
  EXPECT_EQ(verdict.code, "E_ATTEST_AUDIT");
  EXPECT_THAT(verdict.text, HasSubstr("another boot"));
}

TEST_F(Audited, AnotherManifestAndAnotherPolicyAreFound) {
  EXPECT_EQ(with([](Files& files) {
              files["images/" + host_->image + "/oci-manifest"] = R"({"schemaVersion":1})";
            }).code,
            "E_ATTEST_IMAGE");
  EXPECT_EQ(
      with([](Files& files) { files["policy/50-airlock.policy"] = "allow anyone run *\n"; }).code,
      "E_ATTEST_FILES");
  EXPECT_EQ(
      with([](Files& files) { files["policy/60-more.policy"] = "allow anyone run *\n"; }).code,
      "E_ATTEST_FILES");
}

}  // namespace
}  // namespace airlock::attest::test
