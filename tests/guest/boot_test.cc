// SPDX-License-Identifier: Apache-2.0
// What every boot of the guest has: what the other groups stand on, and the ordinary engine on it.
#include "tests/guest/support.h"

namespace airlock::test {
namespace {

class Boot : public Guest {};

TEST_F(Boot, EnforcesSelinux) { EXPECT_EQ(readFile("/sys/fs/selinux/enforce"), "1"); }

TEST_F(Boot, HasTheControllersOfCgroupV2) {
  const std::string controllers = readFile("/sys/fs/cgroup/cgroup.controllers");
  for (const char* controller : {"cpu", "memory", "pids"})
    EXPECT_TRUE(controllers.contains(controller)) << controllers;
}

TEST_F(Boot, M14_APodIsMeasuredThroughTheResourceManagersDevice) {
  const std::string before = done(Who::Root, "cat /sys/class/tpm/tpm0/pcr-sha256/15");
  EXPECT_EQ(done(Who::Root, "airlock run " + std::string(kGuestImage) + " -- -c 'echo hello'"),
            "hello\n");
  EXPECT_NE(done(Who::Root, "cat /sys/class/tpm/tpm0/pcr-sha256/15"), before);
  // The log leads to what the register holds.
  const std::string log = done(Who::Root, "airlock tpm log");
  EXPECT_TRUE(log.contains("pod")) << log;
}

TEST_F(Boot, AUserOfTheGroupRunsAPodThroughTheSocket) {
  EXPECT_EQ(done(Who::Alice, "airlock run " + std::string(kGuestImage) + " -- -c 'echo hello'"),
            "hello\n");
}

}  // namespace
}  // namespace airlock::test
