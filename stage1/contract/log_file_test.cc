// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/log_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::stage1 {
namespace {

constexpr std::int64_t kTime = 1'767'323'045'000'000'042;  // 2026-01-02T03:04:05.000000042Z
constexpr const char* kPrefix = "2026-01-02T03:04:05.000000042Z stdout ";

TEST(LogTime, IsUtcWithNanoseconds) {
  EXPECT_EQ(logTime(kTime), "2026-01-02T03:04:05.000000042Z");
  EXPECT_EQ(logTime(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(logTime(1'709'164'800'000'000'000), "2024-02-29T00:00:00.000000000Z");
}

TEST(LogLines, ALineIsLoggedWhenItIsComplete) {
  LogLines lines("stdout");
  EXPECT_EQ(lines.feed("one\ntw", kTime), std::string(kPrefix) + "F one\n");
  EXPECT_EQ(lines.feed("o", kTime), "");
  EXPECT_EQ(lines.feed("\n\n", kTime), std::string(kPrefix) + "F two\n" + kPrefix + "F \n");
  EXPECT_EQ(lines.finish(kTime), "");
}

TEST(LogLines, ALongLineComesInParts) {
  LogLines lines("stdout");
  const std::string full(limits::kLogLineBytes, 'x');
  EXPECT_EQ(lines.feed(full, kTime), "") << "its end may be next";
  EXPECT_EQ(lines.feed("yz\n", kTime),
            std::string(kPrefix) + "P " + full + "\n" + kPrefix + "F yz\n");
}

TEST(LogLines, WhatHasNoEndIsMarkedAsPartial) {
  LogLines lines("stdout");
  EXPECT_EQ(lines.feed("prompt> ", kTime), "");
  EXPECT_EQ(lines.finish(kTime), std::string(kPrefix) + "P prompt> \n");
  EXPECT_EQ(lines.finish(kTime), "");
}

class LogFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "log-XXXXXX";
    path_ = ::mkdtemp(name.data());
    directory_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::string read(const char* name) {
    return sys::readFile(directory_, Component::parse(name).value(), 32 * limits::MiB).value_or("");
  }
  std::string path_;
  Fd directory_;
};

TEST_F(LogFiles, TwoFilesOfBoundedSizeAreKept) {
  LogFile log(directory_, AppName::parse("web").value());
  const std::string block(limits::kLogFileBytes / 4, 'a');
  for (int i = 0; i < 4; ++i) log.append(block);
  EXPECT_EQ(read("web.1"), "");
  log.append("second\n");
  EXPECT_EQ(read("web.1").size(), limits::kLogFileBytes);
  EXPECT_EQ(read("web"), "second\n");
  for (int i = 0; i < 9; ++i) log.append(block);
  EXPECT_LE(read("web").size() + read("web.1").size(), 2 * limits::kLogFileBytes);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path_), {}), 2);
}

TEST_F(LogFiles, OnlyTheGroupOfTheDirectoryMayRead) {
  LogFile log(directory_, AppName::parse("web").value());
  log.append("x\n");
  struct stat status {};
  ASSERT_EQ(::stat((path_ + "/web").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
}

TEST_F(LogFiles, ALinkIsNotFollowed) {
  const std::string target = path_ + "/target";
  ASSERT_EQ(::symlink(target.c_str(), (path_ + "/web").c_str()), 0);
  LogFile log(directory_, AppName::parse("web").value());
  log.append("x\n");
  EXPECT_FALSE(std::filesystem::exists(target));
}

}  // namespace
}  // namespace airlock::stage1
