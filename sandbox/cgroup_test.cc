// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sandbox/cgroup_for_test.h"

namespace airlock::sandbox {
namespace {

TEST_F(CgroupTest, AProcessIsInItFromItsFirstInstruction) {
  const pid_t pid = processIn(group_);
  ASSERT_GT(pid, 0);
  const auto path = cgroupOf(pid);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ASSERT_TRUE(path) << path.error().text();
  EXPECT_EQ(*path, path_);
}

TEST_F(CgroupTest, ItsNumbersCanBeReadByOthersWhateverTheUmask) {
  const mode_t before = ::umask(077);
  const Fd inner = below(group_, "inner");
  ::umask(before);
  struct stat info;
  ASSERT_EQ(::fstat(inner.get(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0755U);
}

TEST_F(CgroupTest, K24_KillEndsEverythingInItAndBelowIt) {
  const Fd inner = below(group_, "inner");
  const pid_t outerPid = processIn(group_);
  const pid_t innerPid = processIn(inner);
  ASSERT_GT(outerPid, 0);
  ASSERT_GT(innerPid, 0);
  const auto killed = killCgroup(path_);
  if (!killed) {
    ::kill(outerPid, SIGKILL);
    ::kill(innerPid, SIGKILL);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(outerPid, &status, 0), outerPid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(::waitpid(innerPid, &status, 0), innerPid);
  EXPECT_TRUE(killed) << killed.error().text();
}

TEST_F(CgroupTest, IsRemovedWithAllBelowItAndWhatRunsInIt) {
  const Fd inner = below(group_, "a");
  const Fd innermost = below(inner, "b");
  const Fd other = below(group_, "c");
  const pid_t pid = processIn(innermost);
  ASSERT_GT(pid, 0);
  const auto removed = removeCgroup(path_);
  EXPECT_TRUE(removed) << removed.error().text();
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(findCgroup(path_).value().has_value());
}

TEST_F(CgroupTest, RemovingOneThatIsNotThereIsFine) {
  EXPECT_TRUE(removeCgroup(path_ + "/none"));
  EXPECT_TRUE(removeCgroup(""));
  EXPECT_TRUE(findCgroup(path_).value().has_value());
}

TEST_F(CgroupTest, APathNeverLeadsOutOfTheHierarchy) {
  EXPECT_FALSE(findCgroup("../etc").value_or(std::nullopt).has_value());
  EXPECT_FALSE(removeCgroup(path_ + "/../.."));
  EXPECT_TRUE(findCgroup(path_).value().has_value());
}

TEST_F(CgroupTest, ALimitThatCannotBeSetIsSaidNotToHold) {
  const Fd inner = below(group_, "leaf");  // nothing is handed on to it
  const auto done = limitCgroup(inner, {.memoryBytes = 1 << 26, .cpuMillis = 500});
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].name, "memory");
  EXPECT_FALSE(done[0].enforced);
  EXPECT_TRUE(done[0].detail.starts_with("no memory.max here: ")) << done[0].detail;
  EXPECT_FALSE(done[1].enforced);
}

TEST_F(CgroupTest, K16_LimitsHoldWhereTheControllersAreHandedOn) {
  if (usefulControllers(group_).value_or("") != "cpu memory pids")
    GTEST_SKIP() << "the v2 hierarchy has no cpu, memory and pids controllers here";
  ASSERT_TRUE(handOnControllers(group_));
  const Fd inner = below(group_, "leaf");
  const auto done = limitCgroup(
      inner, {.memoryBytes = 1 << 26, .cpuMillis = 500, .cpuShares = 1024, .pidsMax = 7});
  ASSERT_EQ(done.size(), 4U);
  for (const CgroupLimit& limit : done) EXPECT_TRUE(limit.enforced) << limit.detail;
  EXPECT_EQ(readCgroup(inner, "memory.max").value(), "67108864\n");
  EXPECT_EQ(readCgroup(inner, "memory.swap.max").value_or("0\n"), "0\n");
  EXPECT_EQ(readCgroup(inner, "memory.oom.group").value(), "1\n");
  EXPECT_EQ(readCgroup(inner, "cpu.max").value(), "50000 100000\n");
  EXPECT_EQ(readCgroup(inner, "cpu.weight").value(), "39\n");
  EXPECT_EQ(readCgroup(inner, "pids.max").value(), "7\n");
}

TEST(Cgroup, NumbersAreReadByTheirWholeKey) {
  constexpr const char* events = "low 0\noom 3\noom_kill 12\noom_group_kill x\nlast 7";
  EXPECT_EQ(cgroupNumber(events, "oom"), 3U);
  EXPECT_EQ(cgroupNumber(events, "oom_kill"), 12U);
  EXPECT_EQ(cgroupNumber(events, "oom_group_kill"), std::nullopt);
  EXPECT_EQ(cgroupNumber(events, "last"), 7U);
  EXPECT_EQ(cgroupNumber(events, "kill"), std::nullopt);
  EXPECT_EQ(cgroupNumber("", "oom"), std::nullopt);
}

}  // namespace
}  // namespace airlock::sandbox
