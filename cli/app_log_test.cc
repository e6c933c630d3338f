// SPDX-License-Identifier: Apache-2.0
#include "cli/app_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/syscall.h"

namespace airlock::cli {
namespace {

TEST(LogTime, IsReadAsItIsWritten) {
  EXPECT_EQ(parseLogTime("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parseLogTime("2026-01-02T03:04:05.000000042Z"), 1'767'323'045'000'000'042);
  EXPECT_EQ(parseLogTime("2026-01-02T03:04:05.5Z"), 1'767'323'045'500'000'000);
  for (const char* bad : {"", "Z", "2026-01-02", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z",
                          "2026-01-02T24:04:05Z", "2026-01-02T03:04:05", "2026-01-02T03:04:05,5Z",
                          "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.1234567890Z",
                          "-026-01-02T03:04:05Z", "9999-01-02T03:04:05Z"}) {
    EXPECT_EQ(parseLogTime(bad), std::nullopt) << bad;
  }
}

TEST(LogLine, HasATimeAStreamAMarkAndText) {
  const auto line = parseLogLine("2026-01-02T03:04:05Z stderr P a  b ");
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->errors);
  EXPECT_TRUE(line->partial);
  EXPECT_EQ(line->text, "a  b ");
  EXPECT_EQ(parseLogLine("2026-01-02T03:04:05Z stdout F ")->text, "");
  for (const char* bad : {"", "x", "2026-01-02T03:04:05Z stdout F", "2026-01-02T03:04:05Z std F x",
                          "2026-01-02T03:04:05Z stdout X x"}) {
    EXPECT_FALSE(parseLogLine(bad)) << bad;
  }
}

TEST(LogText, ObeysNobodyOnATerminal) {
  EXPECT_EQ(forTerminal("\x1b[2Ja\tb\r\x7f"), "\\x1b[2Ja\tb\\x0d\\x7f");
  EXPECT_EQ(forTerminal("gr\xc3\xbc\xc3\x9f \xe2\x82\xac"), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac");
  EXPECT_EQ(forTerminal("\xc2\x9b"
                        "2J"),
            "\\xc2\\x9b2J")
      << "U+009B";
}

class AppLogs : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "applog-XXXXXX";
    path_ = ::mkdtemp(name.data());
    directory_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  void add(const char* name, const std::string& text) {
    std::ofstream(path_ + "/" + name, std::ios::app)
        << "2026-01-02T03:04:05Z stdout F " << text << "\n";
  }
  static std::string all(AppLog& log) {
    std::string text;
    while (const LogLine* line = log.next()) {
      text += line->text + ";";
      log.take();
    }
    return text;
  }
  std::string path_;
  Fd directory_;
};

TEST_F(AppLogs, ComeInOrderAcrossTheChangeOfFiles) {
  add("web.1", "one");
  add("web", "two");
  AppLog log(directory_, AppName::parse("web").value());
  EXPECT_EQ(all(log), "one;two;");
  add("web", "three");
  std::filesystem::rename(path_ + "/web", path_ + "/web.1");
  add("web", "four");
  EXPECT_EQ(all(log), "three;four;");
  std::filesystem::rename(path_ + "/web", path_ + "/web.1");
  add("web", "five");
  std::filesystem::rename(path_ + "/web", path_ + "/web.1");
  add("web", "six");
  EXPECT_EQ(all(log), "five;six;");
  EXPECT_EQ(all(log), "");
}

TEST_F(AppLogs, ALineThatIsNotWholeYetIsWaitedFor) {
  std::ofstream(path_ + "/web") << "2026-01-02T03:04:05Z std";
  AppLog log(directory_, AppName::parse("web").value());
  EXPECT_EQ(log.next(), nullptr);
  std::ofstream(path_ + "/web", std::ios::app) << "out F now\n";
  EXPECT_EQ(all(log), "now;");
}

TEST_F(AppLogs, AnAppThatHasLoggedNothingHasNoLines) {
  AppLog log(directory_, AppName::parse("web").value());
  EXPECT_EQ(log.next(), nullptr);
  EXPECT_EQ(log.pid(), 0);
}

TEST_F(AppLogs, ThePidIsTheOneThatWasNoted) {
  std::ofstream(path_ + "/web.pid") << "4\n";
  EXPECT_EQ(AppLog(directory_, AppName::parse("web").value()).pid(), 4);
}

}  // namespace
}  // namespace airlock::cli
