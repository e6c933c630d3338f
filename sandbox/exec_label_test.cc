// SPDX-License-Identifier: Apache-2.0
#include "sandbox/exec_label.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/syscall.h"
#include "sandbox/selinux.h"

namespace airlock::sandbox {
namespace {

std::string nameOfScratch() {
  char name[] = "/tmp/airlock-label-XXXXXX";
  return ::mkdtemp(name);
}

TEST(ExecLabel, P04_OnlyAProcfsIsWrittenTo) {
  const std::string fake = nameOfScratch();
  std::filesystem::create_directories(fake + "/thread-self/attr");
  std::ofstream(fake + "/thread-self/attr/exec") << "";
  EXPECT_EQ(openProc(fake.c_str()).error().code(), "E_SELINUX");
  const Fd directory = sys::openPath(fake, O_PATH | O_DIRECTORY).value();
  EXPECT_FALSE(setExecLabel(directory.get(), "system_u:system_r:airlock_pod_t:s0:c1,c2"));
  EXPECT_EQ(errno, EXDEV);
  EXPECT_EQ(std::filesystem::file_size(fake + "/thread-self/attr/exec"), 0U);
  std::filesystem::remove_all(fake);
}

TEST(ExecLabel, P04_ADirectoryOfAProcfsIsNotItsRoot) {
  EXPECT_EQ(openProc("/proc/sys").error().code(), "E_SELINUX");
  EXPECT_FALSE(openProc("/proc/self")) << "nor is a link";
}

TEST(ExecLabel, ALabelThatCannotBeSetIsAFailure) {
  const Fd proc = openProc("/proc").value();
  EXPECT_FALSE(setExecLabel(proc.get(), "no:such:label:s0"));
  EXPECT_NE(errno, 0);
}

TEST(ExecLabel, NoneIsNeverAFailure) {
  const std::string none;
  EXPECT_TRUE(ExecLabel::prepare(none).value().set());
}

}  // namespace
}  // namespace airlock::sandbox
