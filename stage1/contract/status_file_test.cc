// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/status_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sealed.h"
#include "base/syscall.h"
#include "stage1/contract/spec_reader.h"

namespace airlock::stage1 {
namespace {

TEST(StatusFile, IsReplacedAsAWholeAndLeavesNothingElse) {
  char path[] = "/tmp/airlock-status-XXXXXX";
  ASSERT_NE(::mkdtemp(path), nullptr);
  Fd directory = sys::openPath(path, O_RDONLY | O_DIRECTORY).value();
  const AppName app = AppName::parse("app").value();
  ::symlinkat("/etc/passwd", directory.get(), ".app");
  ASSERT_TRUE(writeStatus(directory, app, 0, false));
  ASSERT_TRUE(writeStatus(directory, app, 137, true));
  const Component name = Component::parse("app").value();
  EXPECT_EQ(sys::readFile(directory, name, 64).value(), "137 oom-killed\n");
  EXPECT_EQ(sys::list(directory).value(), std::vector<std::string>{"app"});
  Fd file = sys::openBeneath(directory, name, O_RDONLY).value();
  EXPECT_EQ(sys::status(file)->st_mode & 07777U, 0644U);
  ::unlinkat(directory.get(), "app", 0);
  ::rmdir(path);
}

TEST(SpecReader, AFilterIsWholeInstructionsInASealedFile) {
  EXPECT_EQ(parseFilter("").error().code(), "E_FILTER");
  EXPECT_EQ(parseFilter("1234567").error().code(), "E_FILTER");
  EXPECT_EQ(parseFilter("12345678").value().size(), 1U);
  EXPECT_EQ(parseFilter(std::string(8 * 4097, 'x')).error().code(), "E_FILTER");
  Fd plain = sys::openPath("/etc/passwd", O_RDONLY).value();
  EXPECT_EQ(readFilterBytes(std::move(plain)).error().code(), "E_FD");
  Sealed large = Sealed::make("bpf", std::string(8 * 4097, 'x')).value();
  EXPECT_EQ(readFilterBytes(std::move(large).take()).error().code(), "E_LIMIT");
}

}  // namespace
}  // namespace airlock::stage1
