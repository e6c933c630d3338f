// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup_place.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sandbox/cgroup_for_test.h"

namespace airlock::sandbox {
namespace {

constexpr uid_t kCaller = 4242;

class CgroupPlaceTest : public CgroupTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    CgroupTest::SetUp();
  }
  static bool systemdRuns() { return ::access("/run/systemd/system", F_OK) == 0; }
  // As systemd does it for a unit with Delegate=yes.
  static void delegate(FdRef dir, uid_t to) {
    ASSERT_EQ(::fchownat(dir.get(), "cgroup.procs", to, to, 0), 0);
    ASSERT_EQ(::fsetxattr(dir.get(), "trusted.delegate", "1", 1, 0), 0);
  }
  CgroupPlace place(const std::string& own, uid_t caller) {
    auto found = findCgroupPlace(hierarchy_, own, caller);
    EXPECT_TRUE(found) << found.error().text();
    return found.value_or(CgroupPlace{});
  }
};

TEST_F(CgroupPlaceTest, AGroupOfOthersIsUsedButNotDivided) {
  const CgroupPlace found = place(path_, kCaller);
  EXPECT_EQ(found.path, path_);
  EXPECT_FALSE(found.divisible);
  EXPECT_TRUE(found.obstacle.contains("Delegate=yes")) << found.obstacle;
}

TEST_F(CgroupPlaceTest, AGroupThatIsDelegatedToTheCallerIsDivided) {
  const Fd unit = below(group_, "unit");
  delegate(unit, kCaller);
  EXPECT_TRUE(place(path_ + "/unit", kCaller).divisible);
  EXPECT_TRUE(place(path_ + "/unit", 0).divisible);
  EXPECT_FALSE(place(path_ + "/unit", kCaller + 1).divisible);
}

TEST_F(CgroupPlaceTest, WhereSystemdRunsItsWordIsNeeded) {
  const Fd unit = below(group_, "unit");
  ASSERT_EQ(::fchownat(unit.get(), "cgroup.procs", kCaller, kCaller, 0), 0);
  EXPECT_EQ(place(path_ + "/unit", kCaller).divisible, !systemdRuns());
}

TEST_F(CgroupPlaceTest, FromTheLeafOfAnEarlierStartPodsGoBesideIt) {
  const Fd unit = below(group_, "unit");
  const Fd leaf = below(unit, "airlock-caller");
  delegate(unit, kCaller);
  EXPECT_EQ(place(path_ + "/unit/airlock-caller", kCaller).path, path_ + "/unit");
}

TEST_F(CgroupPlaceTest, ALeafOfThatNameIsNoWayOutOfAGroup) {
  const Fd unit = below(group_, "unit");
  const Fd leaf = below(unit, "airlock-caller");
  delegate(leaf, kCaller);  // somebody else's limits are on `unit`
  EXPECT_EQ(place(path_ + "/unit/airlock-caller", kCaller).path, path_ + "/unit/airlock-caller");
}

TEST_F(CgroupPlaceTest, DividingMovesWhatIsInItAside) {
  if (usefulControllers(hierarchy_).value_or("").empty() ||
      usefulControllers(group_).value_or("").empty())
    GTEST_SKIP() << "the v2 hierarchy has no cpu, memory and pids controllers here";
  const Fd unit = below(group_, "unit");
  ASSERT_TRUE(handOnControllers(group_));
  delegate(unit, kCaller);
  const pid_t pid = processIn(unit);
  ASSERT_GT(pid, 0);
  const CgroupPlace found = place(path_ + "/unit", kCaller);
  const auto divided = divideCgroup(hierarchy_, found);
  EXPECT_TRUE(divided) << divided.error().text();
  EXPECT_EQ(cgroupOf(pid).value_or(""), path_ + "/unit/airlock-caller");
  const Fd pod = below(unit, "pod");
  EXPECT_TRUE(limitCgroup(pod, {.pidsMax = 5}).at(0).enforced);
  EXPECT_EQ(place(path_ + "/unit/airlock-caller", kCaller).path, path_ + "/unit");
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace airlock::sandbox
