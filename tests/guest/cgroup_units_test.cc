// SPDX-License-Identifier: Apache-2.0
// Limits of pods where systemd runs the host: in a unit that is delegated, in one that is not, and
// in a login session's scope (docs/decisions/0024).
#include <gmock/gmock.h>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class CgroupUnits : public Guest {
 protected:
  void SetUp() override {
    if (!hasSystemd()) GTEST_SKIP() << "systemd does not run here";
  }
  // What `script` prints in a transient service of alice's.
  static std::string inUnit(const std::string& properties, const std::string& script) {
    return done(Who::Root,
                "systemd-run --quiet --pipe --wait --uid=alice --gid=alice "
                "--property=SupplementaryGroups=airlock " +
                    properties + " /bin/sh -c \"" + script + "\"");
  }
  static std::string run(const std::string& arguments) {
    return "airlock run --uuid-file-save=/tmp/unit-pod " + std::string(kGuestImage) + " " +
           arguments + "; airlock status \\$(cat /tmp/unit-pod); rm /tmp/unit-pod";
  }
};

TEST_F(CgroupUnits, LimitsHoldInAUnitThatIsDelegatedAndTheCallerMovesAside) {
  const std::string text =
      inUnit("--property=Delegate=yes",
             run("--memory=67108864 --cpu=500m -- -c true") + "; grep ^0:: /proc/self/cgroup");
  EXPECT_THAT(text, ContainsRegex("enforced=[a-z,]*pids"));
  EXPECT_THAT(text, ContainsRegex("enforced=[a-z,]*memory"));
  EXPECT_THAT(text, HasSubstr(".service/airlock-caller\n"));
}

TEST_F(CgroupUnits, InAUnitThatIsNotDelegatedTheyAreToldNotToHold) {
  const std::string text = inUnit("", run("--memory=67108864 -- -c true"));
  EXPECT_THAT(text, HasSubstr("not-enforced=memory: app-busybox: no memory.max here"));
  EXPECT_THAT(text, HasSubstr("Delegate=yes"));
}

TEST_F(CgroupUnits, RequireCgroupRefusesAStartWithoutThem) {
  writeFile("/etc/airlock/policy.d/12-cgroup.policy", "require cgroup\n");
  const Outcome outcome = as(Who::Root, "systemd-run --quiet --pipe --wait airlock run " +
                                            std::string(kGuestImage) + " -- -c true 2>&1");
  EXPECT_EQ(outcome.code, 254) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("policy requires cgroup"));
  std::remove("/etc/airlock/policy.d/12-cgroup.policy");
}

}  // namespace
}  // namespace airlock::test
