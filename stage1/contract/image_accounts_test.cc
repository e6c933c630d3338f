// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/image_accounts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/syscall.h"

namespace airlock::stage1 {
namespace {

class ImageAccounts : public ::testing::Test {
 protected:
  ImageAccounts() {
    char path[] = "/tmp/airlock-accounts-XXXXXX";
    path_ = ::mkdtemp(path);
    root_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
    ::mkdirat(root_.get(), "etc", 0755);
  }
  ~ImageAccounts() override {
    Fd parent = sys::openPath("/tmp", O_RDONLY | O_DIRECTORY).value();
    static_cast<void>(sys::removeTree(parent, Component::parse(path_.substr(5)).value()));
  }
  void write(const char* name, const std::string& content) {
    Fd file = Fd::own(::openat(root_.get(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    ASSERT_TRUE(sys::writeAll(file, content));
  }
  std::string user(std::string_view text) {
    auto user = resolveUser(root_, text, true);
    if (!user) return user.error().code();
    return std::to_string(user->uid) + " " + user->name + " " + user->home;
  }
  std::string group(std::string_view text) {
    auto gid = resolveGroup(root_, text, "0");
    return gid ? std::to_string(*gid) : gid.error().code();
  }

  std::string path_;
  Fd root_;
};

TEST_F(ImageAccounts, R09_NumbersAreExact) {
  EXPECT_EQ(user("0"), "0  ");
  EXPECT_EQ(user("65534"), "65534  ");
  for (const char* text : {"", "00", "0001", "65535", "-1", "+1", "1000:", ":0", " 1", "1 ", "1e3",
                           "0x1", "4294967295", "4294967296", "18446744073709551616", "１０００"}) {
    EXPECT_EQ(user(text), "E_USER") << text;
    EXPECT_EQ(group(text), "E_GROUP") << text;
  }
}

TEST_F(ImageAccounts, ANameIsLookedUpInTheImage) {
  write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:a:/srv:/bin/false\n");
  write("etc/group", "root:x:0:\nadm:x:4:www\n");
  EXPECT_EQ(user("www"), "33 www /srv");
  EXPECT_EQ(user("33"), "33 www /srv");
  EXPECT_EQ(user("nobody"), "E_USER");
  EXPECT_EQ(group("adm"), "4");
  EXPECT_EQ(group("wheel"), "E_GROUP");
}

TEST_F(ImageAccounts, AUserCanBeAskedForItsOwnGroup) {
  write("etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:a:/srv:/bin/false\nbad:x:7:-1::/:\n");
  const auto own = [&](std::string_view of) {
    auto gid = resolveGroup(root_, "@user", of);
    return gid ? std::to_string(*gid) : gid.error().code();
  };
  EXPECT_EQ(own("www"), "34");
  EXPECT_EQ(own("33"), "34");
  EXPECT_EQ(own("1000"), "0");  // has no entry
  EXPECT_EQ(own("nobody"), "E_USER");
  EXPECT_EQ(own("bad"), "E_GROUP");
  EXPECT_EQ(group("@other"), "E_GROUP");
}

TEST_F(ImageAccounts, AUserBringsTheGroupsThatNameItAsAMember) {
  write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:a:/srv:/bin/false\n");
  write("etc/group",
        "root:x:0:\nadm:x:4:syslog,www\nwww2:x:5:www2,awww\ntape:x:26:www,x\nbad:x:-3:www\n");
  const std::vector<gid_t> both = {4, 26};
  EXPECT_EQ(membershipsOf(root_, "www").value(), both);
  EXPECT_EQ(membershipsOf(root_, "33").value(), both);
  EXPECT_TRUE(membershipsOf(root_, "1000").value().empty());
  EXPECT_TRUE(membershipsOf(root_, "root").value().empty());
}

TEST_F(ImageAccounts, LinesThatAreNotEntriesDoNotCount) {
  write("etc/passwd",
        "1000:x:0:0::/:\nevil:x:4294967296:0::/:\nevil:x:-1:0::/:\nevil:x:01:0::/:\nevil\n"
        "evil:x\n:x:0:0::/:\n\n::::\nevil:x:7:7::/seven\n");
  EXPECT_EQ(user("evil"), "7 evil /seven");
  EXPECT_EQ(user("1000"), "1000  ");
}

TEST_F(ImageAccounts, P10_OnlyAPlainBoundedFileIsRead) {
  ASSERT_EQ(::symlinkat("/etc/passwd", root_.get(), "etc/passwd"), 0);
  EXPECT_EQ(user("root"), "E_TYPE");
  EXPECT_EQ(user("5"), "5  ") << "a number does not depend on the file";
  ASSERT_EQ(::unlinkat(root_.get(), "etc/passwd", 0), 0);
  ASSERT_EQ(::mknodat(root_.get(), "etc/passwd", S_IFIFO | 0644, 0), 0);
  EXPECT_EQ(user("root"), "E_TYPE");
  ASSERT_EQ(::unlinkat(root_.get(), "etc/passwd", 0), 0);
  write("etc/passwd", std::string((1 << 20) + 1, '\n'));
  EXPECT_EQ(user("root"), "E_LIMIT");
}

TEST_F(ImageAccounts, APathMeansItsOwnerAndStaysInTheImage) {
  write("file", "");
  EXPECT_EQ(user("/file"), std::to_string(::geteuid()) + "  ");
  EXPECT_EQ(user("/missing"), "E_USER");
  ASSERT_EQ(::symlinkat("/../../../../../../etc/hostname", root_.get(), "out"), 0);
  EXPECT_EQ(user("/out"), "E_USER");
}

}  // namespace
}  // namespace airlock::stage1
