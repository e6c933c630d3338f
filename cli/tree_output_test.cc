// SPDX-License-Identifier: Apache-2.0
#include "cli/tree_output.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/syscall.h"

namespace airlock::cli {
namespace {

namespace fs = std::filesystem;
using ipc::TreeEntry;
using Kind = TreeEntry::Kind;

class TreeOutputTest : public ::testing::Test {
 protected:
  TreeOutputTest() {
    char name[] = "/tmp/airlock-output-XXXXXX";
    top_ = ::mkdtemp(name);
  }
  ~TreeOutputTest() override { fs::remove_all(top_); }

  // The code of the refusal, "" for success.
  std::string put(const std::vector<TreeEntry>& entries, bool overwrite = false) {
    std::string bytes = ipc::encodeTreeEntry({.kind = Kind::Directory, .mode = 0755});
    for (const TreeEntry& entry : entries)
      bytes += ipc::encodeTreeEntry(entry) + std::string(entry.size, 'x');
    bytes += ipc::encodeTreeEntry({.kind = Kind::End});
    sys::Pipe pipe = sys::pipe().value();
    EXPECT_TRUE(sys::writeAll(pipe.writeEnd, bytes));
    pipe.writeEnd.reset();
    auto output = TreeOutput::create(out(), overwrite);
    if (!output) return output.error().code();
    auto written = output->putTree(pipe.readEnd, "rootfs");
    if (written) written = std::move(*output).finish();
    if (written) return "";
    return written.error().code().empty() ? "errno" : written.error().code();
  }
  std::string out() const { return top_ + "/out"; }
  std::size_t namesIn(const std::string& directory) const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), {}));
  }
  std::string top_;
};

TEST_F(TreeOutputTest, FilesLinksModesAndTimesAreCopied) {
  ASSERT_EQ(
      put({{.kind = Kind::Directory, .path = "d", .mode = 0555, .mtime = 1'000'000'000},
           {.kind = Kind::File, .path = "d/f", .mode = 0640, .mtime = 1'100'000'000, .size = 5},
           {.kind = Kind::HardLink, .path = "d/h", .target = "d/f"},
           {.kind = Kind::Symlink, .path = "l", .target = "/etc/passwd"}}),
      "");
  struct stat info {};
  ASSERT_EQ(::stat((out() + "/rootfs/d/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0640U);
  EXPECT_EQ(info.st_mtime, 1'100'000'000);
  EXPECT_EQ(info.st_nlink, 2U);
  EXPECT_EQ(info.st_size, 5);
  ASSERT_EQ(::stat((out() + "/rootfs/d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0555U);
  EXPECT_EQ(info.st_mtime, 1'000'000'000);
  EXPECT_EQ(fs::read_symlink(out() + "/rootfs/l"), "/etc/passwd");
  EXPECT_EQ(namesIn(top_), 1U);
  if (::geteuid() != 0) fs::permissions(out() + "/rootfs/d", fs::perms::owner_all);
}

TEST_F(TreeOutputTest, AttributesOfTheUserAreCopied) {
  if (std::ofstream(top_ + "/probe") << "x";
      ::setxattr((top_ + "/probe").c_str(), "user.a", "1", 1, 0) != 0)
    GTEST_SKIP() << "needs a file system with user.* attributes";
  TreeEntry file{.kind = Kind::File, .path = "d/f", .mode = 0400, .size = 1};
  file.attributes = {{"empty", ""}, {"origin", "there"}};
  TreeEntry directory{.kind = Kind::Directory, .path = "d", .mode = 0555};
  directory.attributes = {{"of", "a directory"}};
  ASSERT_EQ(put({directory, file}), "");
  const auto attribute = [&](const std::string& path, const char* name) {
    char value[32];
    const ssize_t size = ::getxattr((out() + "/rootfs/" + path).c_str(), name, value, sizeof value);
    return size < 0 ? "(none)" : std::string(value, static_cast<std::size_t>(size));
  };
  EXPECT_EQ(attribute("d/f", "user.origin"), "there");
  EXPECT_EQ(attribute("d/f", "user.empty"), "");
  EXPECT_EQ(attribute("d", "user.of"), "a directory");
  if (::geteuid() != 0) fs::permissions(out() + "/rootfs/d", fs::perms::owner_all);
}

TEST_F(TreeOutputTest, NoEntryLeadsOutOfTheDirectory) {
  fs::create_directory(top_ + "/outside");
  std::ofstream(top_ + "/outside/secret") << "secret";
  const TreeEntry link{.kind = Kind::Symlink, .path = "l", .target = top_ + "/outside"};
  const std::vector<std::vector<TreeEntry>> hostile = {
      {link, {.kind = Kind::File, .path = "l/evil", .size = 1}},
      {link, {.kind = Kind::Directory, .path = "l/evil"}},
      {link, {.kind = Kind::Symlink, .path = "l/evil", .target = "x"}},
      {link, {.kind = Kind::HardLink, .path = "mine", .target = "l/secret"}},
      {link, {.kind = Kind::File, .path = "l", .size = 1}},
      {link, {.kind = Kind::Directory, .path = "l"}},
      {{.kind = Kind::File, .path = "../evil", .size = 1}},
      {{.kind = Kind::File, .path = "a", .size = 1}, {.kind = Kind::File, .path = "a", .size = 1}}};
  for (const auto& entries : hostile) {
    EXPECT_NE(put(entries), "");
    EXPECT_EQ(namesIn(top_), 1U) << "nothing is left";
    EXPECT_EQ(namesIn(top_ + "/outside"), 1U);
  }
}

TEST_F(TreeOutputTest, AUsersCopyHasNoSetUserIdFiles) {
  fs::permissions(top_, fs::perms::all);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(4242) != 0 || ::setuid(4242) != 0)) ::_exit(1);
    ::umask(022);
    if (!put({{.kind = Kind::File, .path = "su", .mode = 06755, .size = 1}}).empty()) ::_exit(2);
    struct stat info {};
    if (::stat((out() + "/rootfs/su").c_str(), &info) != 0) ::_exit(3);
    ::_exit((info.st_mode & 07777U) == 0755U ? 0 : 4);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(TreeOutputTest, WhatIsThereIsReplacedOnlyWhenToldTo) {
  fs::create_directory(out());
  std::ofstream(out() + "/mine") << "mine";
  EXPECT_EQ(put({}), "E_EXISTS");
  EXPECT_TRUE(fs::exists(out() + "/mine"));
  EXPECT_NE(put({{.kind = Kind::File, .path = "../x"}}, true), "");
  EXPECT_TRUE(fs::exists(out() + "/mine")) << "until the new one is whole";
  EXPECT_EQ(put({}, true), "");
  EXPECT_FALSE(fs::exists(out() + "/mine"));
  EXPECT_TRUE(fs::exists(out() + "/rootfs"));
}

TEST_F(TreeOutputTest, ALinkInItsPlaceIsReplacedAndNotFollowed) {
  fs::create_directory(top_ + "/outside");
  fs::create_directory_symlink(top_ + "/outside", out());
  EXPECT_EQ(put({}), "E_EXISTS");
  EXPECT_EQ(put({}, true), "");
  EXPECT_FALSE(fs::is_symlink(out()));
  EXPECT_EQ(namesIn(top_ + "/outside"), 0U);
}

}  // namespace
}  // namespace airlock::cli
