// SPDX-License-Identifier: Apache-2.0
// The questions of an auditor, as they are typed; what is written for somebody elsewhere; and the
// page, as a browser shows it.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AuditCommands : public World {
 protected:
  void SetUp() override {
    World::SetUp();
    if (IsSkipped()) return;
    fetch(Who::Alice);
    done(Who::Alice, std::string("run ") + kImage + " --exec=/bin/true");
    airlock(Who::Stranger, std::string("run ") + kImage + " --exec=/bin/true");
    pod_ = lines(done(Who::Alice, "list --no-legend --full"))[0].substr(0, 36);
  }
  nlohmann::json json(const std::string& arguments) {
    return nlohmann::json::parse(done(Who::Root, "--json " + arguments));
  }
  std::string pod_;
};

TEST_F(AuditCommands, AnswerWhatRanAcceptedByWhom) {
  const std::string ran = done(
      Who::Root, "audit query --op=run --since=1h --fields=user,name,key,rule,result --no-legend");
  EXPECT_THAT(ran, HasSubstr(site_->signer().fingerprint()));
  EXPECT_THAT(ran, HasSubstr("example.test/tools/busybox"));
  EXPECT_THAT(ran, HasSubstr("allow "));
  EXPECT_EQ(lines(ran).size(), 3U) << ran;  // allowed, done, and the stranger's
  EXPECT_EQ(done(Who::Root, "audit query --until=1h --no-legend"), "");
  EXPECT_EQ(lines(done(Who::Root, "audit query --refused --user=4243 --no-legend")).size(), 1U);
  EXPECT_EQ(lines(done(Who::Root, "audit query --no-legend --op=run --image=example.test")).size(),
            2U);
  // Two: what a stranger wanted was not looked at.
  EXPECT_EQ(json("audit query --op=import").size(), 1U);
  const std::string shown = done(Who::Root, "audit show " + pod_);
  EXPECT_THAT(shown,
              AllOf(HasSubstr("run  allowed"), HasSubstr("run  done"), HasSubstr("by        4242"),
                    HasSubstr("signed by"), HasSubstr("measured  PCR 15")));
  EXPECT_THAT(done(Who::Root, "audit show 0"), HasSubstr("0  "));
  EXPECT_THAT(airlock(Who::Root, "audit show 4000").err, HasSubstr("has nothing of"));
  EXPECT_THAT(airlock(Who::Stranger, "audit query").err, HasSubstr("group airlock-audit"));
}

TEST_F(AuditCommands, AnswerWhatIsWeakerAndWhoMaySign) {
  done(Who::Alice, "prepare " + std::string(kImage));
  EXPECT_EQ(airlock(Who::Alice, "status --insecure").code, 0);
  EXPECT_TRUE(json("status --insecure " + pod_).is_array());
  const std::string key = site_->signer().fingerprint();
  EXPECT_THAT(done(Who::Root, "trust why example.test/tools/busybox " + key),
              AllOf(HasSubstr("for example.test/tools (prefix.d): counts"), HasSubstr("may sign")));
  const Outcome outside = airlock(Who::Root, "trust why example.test/other " + key);
  EXPECT_EQ(outside.code, 254);
  EXPECT_THAT(outside.out, HasSubstr("is not below it"));
  EXPECT_EQ(airlock(Who::Root, "trust why example.test/other").out,
            "nobody may sign example.test/other\n");
}

TEST_F(AuditCommands, ComparePoliciesOfTwoTimes) {
  EXPECT_THAT(airlock(Who::Root, "policy diff").err, HasSubstr("no policy before"));
  engine_->policy("70-more.policy", "allow user:4243 stop\n");
  airlock(Who::Root, std::string("run ") + kImage + " --exec=/bin/true");
  const Outcome changed = airlock(Who::Root, "policy diff");
  EXPECT_EQ(changed.code, 1);
  EXPECT_THAT(changed.out,
              AllOf(HasSubstr("+++ 70-more.policy"), HasSubstr("+allow user:4243 stop\n"),
                    Not(HasSubstr("60-measure"))));
  const auto changes = json("audit query --op=policy");
  ASSERT_EQ(changes.size(), 2U);
  const std::string first = changes[0]["line"]["subject"]["digest"];
  EXPECT_EQ(done(Who::Root, "policy diff " + first + " " + first), "");
  EXPECT_EQ(airlock(Who::Root, "policy diff " + first).out, changed.out);
  must("printf x >> " + engine_->data() + "/audit/kept/" + first);
  EXPECT_THAT(airlock(Who::Root, "policy diff").err, HasSubstr("another digest"));
}

TEST_F(AuditCommands, WriteEvidenceThatOtherToolsRead) {
  const std::string file = engine_->scratch("host.evidence");
  done(Who::Root, "audit export --since-boot -o " + file);
  const std::string members = must("tar -tf " + file);
  const std::string image = json("audit query --op=import")[0]["line"]["subject"]["image"];
  for (const std::string& name :
       {std::string("audit.jsonl"), std::string("events.cel"), std::string("kernel-cmdline"),
        "images/" + image + "/manifest", "images/" + image + "/signature",
        "images/" + image + "/record",
        "trusted/prefix.d/example.test/tools/" + site_->signer().fingerprint(),
        std::string("policy/60-measure.policy")}) {
    EXPECT_THAT(members, HasSubstr(name + "\n"));
  }
  EXPECT_EQ(must("tar -xOf " + file + " audit.jsonl"),
            must("cat " + engine_->data() + "/audit/record-*.jsonl"));
  // The chain, by hand: each line has the digest of the one before.
  must("tar -xOf " + file +
       " audit.jsonl | { before=$(printf '%064d' 0); while read -r line; do case $line in "
       "*'\"prev\":\"sha256-'$before'\"'*) ;; *) exit 1;; esac; "
       "before=$(printf %s \"$line\" | sha256sum | cut -d' ' -f1); done; }");
  EXPECT_THAT(airlock(Who::Root, "audit export --since-boot -o " + file).err,
              HasSubstr("is there already"));
  EXPECT_THAT(
      airlock(Who::Root, "audit export --since-boot --overwrite -o " + file + " --quote=/").err,
      HasSubstr("there is no quote"));
  const std::string proof = engine_->scratch("pod.evidence");
  done(Who::Root, "audit prove " + pod_.substr(0, 8) + " -o " + proof);
  EXPECT_THAT(must("tar -tf " + proof), HasSubstr("images/" + image + "/manifest"));
  EXPECT_EQ(airlock(Who::Root, "audit prove 00000000-0000-4000-8000-000000000000").code, 254);
  // The same bytes for the same facts.
  done(Who::Root, "audit export --since-boot --overwrite -o " + file);
  const std::string again = engine_->scratch("again.evidence");
  done(Who::Root, "audit export --since-boot -o " + again);
  must("cmp " + file + " " + again);
}

TEST_F(AuditCommands, RefuseARecordThatWasChanged) {
  must("sed -i 's/\"uid\":4242/\"uid\":4243/' " + engine_->data() + "/audit/record-*.jsonl");
  const Outcome outcome = airlock(Who::Root, "audit query");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.err, HasSubstr("one of them was changed"));
  EXPECT_EQ(airlock(Who::Root, "audit report --html -o -").code, 254);
}

TEST_F(AuditCommands, ThePageNeedsNothingAndEscapesEverything) {
  airlock(Who::Alice, "stop --force '<script>alert(1)</script>'");
  engine_->policy("70-html.policy", "deny user:4243 stop # <img src=x onerror=alert(1)>\n");
  const std::string file = engine_->scratch("report.html");
  done(Who::Root, "audit report --html -o " + file);
  const std::string page = readFile(file);
  EXPECT_THAT(page, AllOf(HasSubstr("What ran"), HasSubstr("Who signed"), HasSubstr("Timeline"),
                          HasSubstr("What was not enforced"), HasSubstr(pod_),
                          HasSubstr(site_->signer().fingerprint())));
  for (const char* never : {"<script", "http://", "https://", "<img", "url(", "@import", "src="})
    EXPECT_THAT(page, Not(HasSubstr(never)));
  if (shell("command -v chromium").code != 0) GTEST_SKIP() << "needs chromium (Debian's)";
  const std::string browser =
      "HOME=" + engine_->scratch("root-home") +
      " chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
      "--window-size=1280,2200 ";
  const std::string picture = engine_->scratch("report.png");
  must(browser + "--screenshot=" + picture + " file://" + file + " 2>/dev/null");
  EXPECT_EQ(must("head -c 8 " + picture + " | od -An -tx1 | tr -d ' \\n'"), "89504e470d0a1a0a");
  // A page of one colour would be a few kilobytes.
  EXPECT_GT(readFile(picture).size(), 60'000U);
  const std::string seen = must(browser + "--dump-dom file://" + file + " 2>/dev/null");
  EXPECT_THAT(seen, AllOf(HasSubstr("<table>"), HasSubstr(pod_)));
}

}  // namespace
}  // namespace airlock::test
