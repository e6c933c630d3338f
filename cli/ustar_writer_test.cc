// SPDX-License-Identifier: Apache-2.0
#include "cli/ustar_writer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::cli {
namespace {

class Ustar : public testing::Test {
 protected:
  Ustar() : file_(Fd::own(::memfd_create("archive", 0))), archive_(file_) {}
  // What the real tar says of it.
  std::string tar(const std::string& arguments) const {
    const std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/";
    const std::string command = "tar " + arguments + " -f " + path + std::to_string(file_.get());
    std::string output;
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::array<char, 4096> buffer{};
    while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
    EXPECT_EQ(::pclose(pipe), 0) << output;
    return output;
  }
  std::string codeOf(const Result<void>& done) { return done ? "" : done.error().code(); }

  Fd file_;
  UstarWriter archive_;
};

TEST_F(Ustar, IsWhatTarReads) {
  const std::string deep = "images/" + std::string(135, 'a') + "/manifest";
  ASSERT_TRUE(archive_.directory("images/"));
  ASSERT_TRUE(archive_.add("empty", ""));
  ASSERT_TRUE(archive_.add(deep, std::string(513, 'x')));
  ASSERT_TRUE(archive_.add("streamed", 3, [](FdRef out) { return sys::writeAll(out, "abc"); }));
  ASSERT_TRUE(archive_.finish());
  EXPECT_EQ(tar("-t"), "images/\nempty\n" + deep + "\nstreamed\n");
  EXPECT_EQ(tar("-xO streamed"), "abc");
  EXPECT_EQ(tar("-xO " + deep), std::string(513, 'x'));
  EXPECT_EQ(sys::status(file_).value().st_size % 512, 0);
}

TEST_F(Ustar, RefusesWhatItCannotHold) {
  EXPECT_EQ(codeOf(archive_.add(std::string(101, 'a'), "")), "E_ARCHIVE");
  EXPECT_EQ(codeOf(archive_.add(std::string(156, 'a') + "/b" + std::string(98, 'c'), "")),
            "E_ARCHIVE");
  bool written = false;
  const auto write = [&](FdRef) -> Result<void> {
    written = true;
    return {};
  };
  EXPECT_EQ(codeOf(archive_.add("large", 8 * limits::GiB, write)), "E_ARCHIVE");
  EXPECT_FALSE(written);
  EXPECT_EQ(sys::status(file_).value().st_size, 0);
}

}  // namespace
}  // namespace airlock::cli
