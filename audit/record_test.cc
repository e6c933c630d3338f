// SPDX-License-Identifier: Apache-2.0
#include "audit/record.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/linux_audit.h"
#include "audit/record_for_test.h"
#include "audit/trail.h"
#include "base/limits.h"

namespace airlock::audit {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(RecordTest, EachLineNamesTheOneBefore) {
  const Written first = append(entry("one"));
  const Written second = append(entry("two"));
  EXPECT_EQ(first.sequence, 0U);
  EXPECT_EQ(second.sequence, 1U);
  EXPECT_EQ(content(), first.line + "\n" + second.line + "\n");
  EXPECT_EQ(first.digest, ociDigestOf(first.line));
  EXPECT_THAT(first.line, HasSubstr("\"prev\":\"sha256-" + std::string(64, '0') + "\""));
  EXPECT_THAT(second.line, HasSubstr("\"prev\":\"" + first.digest.text() + "\""));
  const auto lines = read();
  ASSERT_TRUE(lines) << lines.error().text();
  ASSERT_EQ(lines->size(), 2U);
  EXPECT_EQ((*lines)[1].subject("app"), "two");
  EXPECT_EQ((*lines)[1].uid(), 7U);
}

TEST_F(RecordTest, IsForItsOwnerAndItsGroup) {
  append(entry());
  struct stat info {};
  ASSERT_EQ(::stat(segment().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640U);
  ASSERT_EQ(::stat((path_ + "/audit").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0750U);
  ASSERT_EQ(::stat((path_ + "/audit-end").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(RecordTest, ATornLineIsKeptAndClosed) {
  append(entry("one"));
  const std::string whole = content();
  const std::string half = append(entry("two")).line.substr(0, 40);
  write(whole + half);
  fs::remove(path_ + "/audit-end");
  append(entry("three"));
  EXPECT_THAT(content(), HasSubstr(whole + half + kTorn + "\n{"));
  const auto lines = read();
  ASSERT_TRUE(lines) << lines.error().text();
  ASSERT_EQ(lines->size(), 3U);
  EXPECT_TRUE((*lines)[1].torn);
  EXPECT_EQ((*lines)[2].number, 2U);
  EXPECT_EQ((*lines)[2].word("prev"), (*lines)[1].digest.text());
}

TEST_F(RecordTest, TearingTheLineThatClosesATornOneIsNoHarm) {
  append(entry("one"));
  const std::string whole = content();
  for (const std::string& rest :
       {std::string("{\"bo") + kTorn, std::string("{\"bo") + kTorn + "\n{\"b", std::string("{"),
        std::string()}) {
    write(whole + rest);
    fs::remove(path_ + "/audit-end");  // else it says that more was there
    append(entry("after"));
    const auto lines = read();
    ASSERT_TRUE(lines) << lines.error().text();
    EXPECT_EQ(lines->back().subject("app"), "after");
  }
}

// The end file is not synced, and can be of before, torn or missing.
TEST_F(RecordTest, FindsItsEndWhateverTheEndFileSays) {
  append(entry("one"));
  const std::string endFile = path_ + "/audit-end";
  const std::string old = path_ + "/old";
  fs::copy_file(endFile, old);
  append(entry("two"));
  append(entry("three"), Durable::WithTheNext);
  fs::copy_file(old, endFile, fs::copy_options::overwrite_existing);
  EXPECT_EQ(append(entry("four")).sequence, 3U);
  fs::resize_file(endFile, 100);
  EXPECT_EQ(append(entry("five")).sequence, 4U);
  fs::remove(endFile);
  EXPECT_EQ(append(entry("six")).sequence, 5U);
  const auto lines = read();
  ASSERT_TRUE(lines) << lines.error().text();
  EXPECT_EQ(lines->size(), 6U);
}

TEST_F(RecordTest, WhatWasCutIsNotHealed) {
  append(entry("one"));
  const std::string first = content();
  append(entry("two"));
  write(first);
  {
    Record record = Record::open(top()).value();
    EXPECT_TRUE(record.cut());
    EXPECT_EQ(record.append(entry("three"), Durable::Now).value().sequence, 2U);
  }
  const auto lines = read();
  ASSERT_FALSE(lines);
  EXPECT_THAT(lines.error().text(), HasSubstr("line 2 comes where line 1 must be"));
}

TEST_F(RecordTest, ANewSegmentGoesOnWithTheChain) {
  append(entry("one"));
  // As full as it can be: a line that only the reader would refuse.
  const std::string filler(limits::kAuditSegmentBytes, 'x');
  std::ofstream(segment(), std::ios::app) << filler << '\n';
  const Written second = append(entry("two"));
  EXPECT_EQ(second.sequence, 2U);
  EXPECT_EQ(content(2), second.line + "\n");
  EXPECT_THAT(second.line, HasSubstr(ociDigestOf(filler).text()));
  fs::remove(path_ + "/audit-end");
  EXPECT_EQ(append(entry("three")).sequence, 3U);
  EXPECT_THAT(content(2), HasSubstr("\"three\""));
  // A segment that a crash has left empty.
  fs::remove(path_ + "/audit-end");
  std::ofstream(segment(4)).close();
  ::chmod(segment(4).c_str(), 0640);
  const Written fourth = append(entry("four"));
  EXPECT_EQ(fourth.sequence, 4U);
  EXPECT_THAT(fourth.line, HasSubstr("\"prev\""));
  EXPECT_EQ(content(4), fourth.line + "\n");
}

TEST_F(RecordTest, IsNotWrittenWhereOthersCouldHaveBeen) {
  append(entry());
  fs::rename(segment(), path_ + "/elsewhere");
  fs::create_symlink(path_ + "/elsewhere", segment());
  EXPECT_FALSE(Record::open(top()));
  fs::remove(segment());
  fs::create_hard_link(path_ + "/elsewhere", segment());
  EXPECT_EQ(Record::open(top()).error().code(), "E_AUDIT");
  fs::remove(segment());
  ::mkfifo(segment().c_str(), 0640);
  EXPECT_FALSE(Record::open(top()));
}

TEST_F(RecordTest, WritersWaitForEachOther) {
  constexpr int kWriters = 4;
  constexpr int kLines = 25;
  std::vector<pid_t> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(::fork());
    if (writers.back() == 0) {
      for (int j = 0; j < kLines; ++j) append(entry("x"), Durable::WithTheNext);
      ::_exit(0);
    }
  }
  for (const pid_t writer : writers) ::waitpid(writer, nullptr, 0);
  const auto lines = read();
  ASSERT_TRUE(lines) << lines.error().text();
  EXPECT_EQ(lines->size(), static_cast<std::size_t>(kWriters * kLines));
}

TEST_F(RecordTest, NoSecretOfAUrlAndNoControlCharacterGoesIn) {
  Entry said = entry();
  said.subject.text("origin", "https://me:hunter2@example.com/a@b/app.aci?token=abc#frag");
  said.text = "get \"http://u:p@host\" and https://h/x?y=z (no)\x1b[31m\xff\n";
  const Written written = append(said);
  EXPECT_THAT(written.line, HasSubstr("\"https://example.com/a@b/app.aci\""));
  EXPECT_THAT(written.line,
              HasSubstr("get \\\"http://host\\\" and https://h/x (no)\\u001b[31m\\ufffd\\n"));
  for (const char* secret : {"hunter2", "token", "u:p", "frag"})
    EXPECT_THAT(written.line, Not(HasSubstr(secret)));
  EXPECT_TRUE(read());
}

TEST_F(RecordTest, EveryTextReadsBack) {
  for (const std::string& text : {std::string("\xf0\x9f\x90\x8b \xc3\xa9 \xe2\x82\xac"),
                                  std::string("a\0b", 3), std::string("\xed\xa0\x80\xc0\x80\xf5"),
                                  std::string("\x7f\x80\xc2\x80"), std::string(5000, '\xc3')}) {
    append(entry(text));
    const auto lines = read();
    ASSERT_TRUE(lines) << lines.error().text();
  }
  EXPECT_EQ(read()->front().subject("app"), "\xf0\x9f\x90\x8b \xc3\xa9 \xe2\x82\xac");
}

TEST_F(RecordTest, AChangeOfWhatIsInForceIsALineAndItsContentIsKept) {
  const auto ask = [&](const std::string& policy) {
    Trail trail(Who{.uid = 7});
    trail.at(top());
    trail.govern({digestOf(policy), policy, digestOf(std::string_view("keys")), "keys"}, true);
    trail.entry.op = "stop";
    EXPECT_TRUE(trail.allow());
    trail.close(nullptr);
  };
  ask("one");
  ask("one");
  ask("two");
  const auto lines = read();
  ASSERT_TRUE(lines) << lines.error().text();
  std::string operations;
  for (const Line& line : *lines) operations += line.word("op") + " ";
  EXPECT_EQ(operations, "policy trust stop stop policy stop ");
  EXPECT_EQ((*lines)[4].subject("before"), digestOf(std::string_view("one")).text());
  EXPECT_FALSE((*lines)[4].uid());
  std::ifstream kept(path_ + "/audit/kept/" + digestOf(std::string_view("two")).text());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(kept), {}), "two");
}

TEST_F(RecordTest, ARequestHasOneLineAndAnotherWhenThereIsMoreToSay) {
  const auto trail = [&] {
    Trail made(Who{.uid = 7});
    made.at(top());
    made.entry.op = "stop";
    return made;
  };
  Trail simple = trail();
  const std::string head = simple.allow().value();
  simple.close(nullptr);
  EXPECT_EQ(head, read()->back().digest.text());
  EXPECT_EQ(read()->size(), 1U);

  Trail failing = trail();
  ASSERT_TRUE(failing.allow());
  const Error error = Error(ErrorKind::Busy, "has not ended").withCode("E_TIMEOUT");
  failing.close(&error);
  ASSERT_EQ(read()->size(), 3U);
  EXPECT_EQ(read()->back().code(), "E_TIMEOUT");
  EXPECT_EQ(read()->back().fields["of"], 1U);

  Trail refused = trail();
  refused.close(&error);
  ASSERT_EQ(read()->size(), 4U);
  EXPECT_FALSE(read()->back().fields.contains("of"));

  Trail quiet = trail();
  quiet.keepQuiet();
  quiet.close(nullptr);
  EXPECT_EQ(read()->size(), 4U);
}

TEST_F(RecordTest, WithoutARecordNothingIsAllowedWhereItIsRequired) {
  std::ofstream(path_ + "/audit") << "in the way";
  for (const bool required : {false, true}) {
    Trail trail(Who{.uid = 7});
    trail.at(top());
    trail.govern({}, required);
    trail.entry.op = "stop";
    const auto allowed = trail.allow();
    EXPECT_EQ(allowed.has_value(), !required);
    EXPECT_EQ(allowed ? *allowed : allowed.error().code(), allowed ? "" : "E_AUDIT");
    EXPECT_EQ(trail.probe().has_value(), !required);
    EXPECT_FALSE(trail.layer().enforced);
  }
}

TEST(LinuxAudit, SpeaksAsLibvirtDoes) {
  Entry entry{.op = "run", .who = Who{.uid = 0}};
  entry.pod = PodId::random();
  EXPECT_EQ(virtControlText(entry), "") << "that it may start is not that it has";
  entry.code = kDone;
  EXPECT_EQ(virtControlText(entry),
            "virt=airlock op=start reason=run vm=\"airlock-" + entry.pod->text() +
                "\" uuid=" + entry.pod->text() +
                " acct=\"root\" exe=\"airlock-helper\" hostname=? addr=? terminal=? res=success");
  entry.code = "E_START";
  EXPECT_THAT(virtControlText(entry), HasSubstr("code=E_START"));
  EXPECT_THAT(virtControlText(entry), testing::EndsWith("res=failed"));
  entry.op = "stop";
  entry.code = kAllowed;
  EXPECT_THAT(virtControlText(entry), HasSubstr("op=stop"));
  entry.op = "import";
  EXPECT_EQ(virtControlText(entry), "");
}

}  // namespace
}  // namespace airlock::audit
