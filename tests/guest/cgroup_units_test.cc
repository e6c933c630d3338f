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
  // What `script` prints in a transient service.  Not --pipe: Debian's policy does not let the bus
  // have the pipes of an init script.
  static Outcome inService(const std::string& properties, const std::string& script) {
    Outcome outcome =
        as(Who::Root, "rm -f /tmp/unit-out; systemd-run --quiet --wait " + properties +
                          " /bin/sh -c \"{ " + script + "; } >/tmp/unit-out 2>&1\"");
    outcome.out += readFile("/tmp/unit-out");
    return outcome;
  }
  // The same in one of alice's, where it succeeds.
  static std::string inUnit(const std::string& properties, const std::string& script) {
    const Outcome outcome = inService(
        "--uid=alice --gid=alice --property=SupplementaryGroups=airlock " + properties, script);
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    return outcome.out;
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
  const Outcome outcome = inService("", "airlock run " + std::string(kGuestImage) + " -- -c true");
  EXPECT_EQ(outcome.code, 254) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("policy requires cgroup"));
  std::remove("/etc/airlock/policy.d/12-cgroup.policy");
}

}  // namespace
}  // namespace airlock::test
