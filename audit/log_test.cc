// SPDX-License-Identifier: Apache-2.0
#include "audit/log.h"

#include <gmock/gmock.h>

#include "audit/record_for_test.h"

namespace airlock::audit {
namespace {

using testing::HasSubstr;

class LogTest : public RecordTest {
 protected:
  LogTest() {
    for (const char* each : {"one", "two", "three"}) append(entry(each));
    good_ = content();
  }
  std::string line(std::size_t index) const {
    std::string text = good_;
    for (; index > 0; --index) text.erase(0, text.find('\n') + 1);
    return text.substr(0, text.find('\n') + 1);
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    return text.replace(at, from.size(), to);
  }
  // One line, alone: the shape is looked at first.
  void refused(const std::string& from, const std::string& to, const std::string& why) const {
    const auto made = Chain().add(replaced(line(1).substr(0, line(1).size() - 1), from, to));
    ASSERT_FALSE(made) << to;
    EXPECT_EQ(made.error().code(), "E_AUDIT_LOG");
    EXPECT_THAT(made.error().text(), HasSubstr(why));
  }
  void wrong(const std::string& text, const std::string& why) const {
    write(text);
    const auto lines = read();
    ASSERT_FALSE(lines) << why;
    EXPECT_THAT(lines.error().text(), HasSubstr(why));
  }
  std::string good_;
};

TEST_F(LogTest, AGoodOneReads) {
  const auto chain = readLines(good_, [](const Line&) -> Result<void> { return {}; });
  ASSERT_TRUE(chain) << chain.error().text();
  EXPECT_TRUE(chain->fromTheStart());
  EXPECT_EQ(chain->next(), 3U);
}

TEST_F(LogTest, APartSaysWhatItFollows) {
  const auto chain = readLines(line(1) + line(2), [](const Line&) -> Result<void> { return {}; });
  ASSERT_TRUE(chain) << chain.error().text();
  EXPECT_FALSE(chain->fromTheStart());
  EXPECT_EQ(chain->begin(), 1U);
  EXPECT_EQ(chain->before(), ociDigestOf(line(0).substr(0, line(0).size() - 1)));
}

TEST_F(LogTest, DroppedSwappedDoubledAndChangedLinesAreFound) {
  wrong(line(0) + line(2), "line 2 comes where line 1 must be");
  wrong(line(0) + line(2) + line(1), "line 2 comes where line 1 must be");
  wrong(line(0) + line(1) + line(1) + line(2), "line 1 comes where line 2 must be");
  wrong(replaced(good_, "\"one\"", "\"eno\""), "does not follow the line before it");
  wrong(replaced(good_, "\"uid\":7", "\"uid\":0"), "does not follow the line before it");
  wrong(replaced(line(0), "\"seq\":0", "\"seq\":1") + line(1), "line 1 comes where line 2 must be");
}

TEST_F(LogTest, OnlyOurSpellingIsTaken) {
  refused("\"op\":", "\"op\": ", "canonical");
  refused("{\"boot\"", "{ \"boot\"", "canonical");
  refused("\"two\"", "\"t\\u0077o\"", "canonical");
  refused("\"op\":\"stop\"", "\"op\":\"stop\",\"op\":\"stop\"", "JSON");
  refused("\"uid\":7", "\"uid\":7.0", "");
  refused("\"uid\":7", "\"uid\":-7", "uid");
  refused("}", "}}", "JSON");
}

TEST_F(LogTest, TheShapeIsExact) {
  refused("\"op\":\"stop\"", "\"op\":\"start\"", "unknown operation");
  refused("\"v\":1", "\"v\":2", "version");
  refused("\"v\":1", "\"u\":1,\"v\":1", "exactly the fields");
  refused("{\"app\":\"two\"}", "{\"app\":\"two\",\"argv\":\"x\"}", "exactly the fields");
  refused("{\"app\":\"two\"}", "{\"app\":2}", "app");
  refused("{\"app\":\"two\"}", "{\"app\":\"\"}", "app");
  refused("{\"app\":\"two\"}", "{\"pod\":\"0\"}", "pod");
  refused("{\"app\":\"two\"}", "[]", "subject");
  refused("\"gid\":8,", "", "gid");
  refused("\"code\":\"allowed\"", "\"text\":\"allowed\"", "code");
  refused("\"prev\":\"sha256-", "\"prev\":\"sha256-0", "prev");
  refused("\"op\":\"stop\"", "\"of\":1,\"op\":\"stop\"", "comes later");
}

TEST_F(LogTest, ALineThatIsBeingWrittenIsNoDamage) {
  write(good_ + line(2).substr(0, 30));
  const auto lines = read();
  ASSERT_TRUE(lines) << lines.error().text();
  EXPECT_EQ(lines->size(), 3U);
  EXPECT_FALSE(readLines(good_ + "{", [](const Line&) -> Result<void> { return {}; }));
}

TEST_F(LogTest, ATornLineHidesNone) {
  // Whoever marks a line as torn breaks what follows it.
  std::string text = line(1);
  text.insert(text.size() - 1, 1, kTorn);
  wrong(line(0) + text + line(2), "does not follow the line before it");
}

}  // namespace
}  // namespace airlock::audit
