// SPDX-License-Identifier: Apache-2.0
#include "sandbox/pod_cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/syscall.h"
#include "sandbox/cgroup_for_test.h"
#include "sandbox/child_for_test.h"

namespace airlock::sandbox {
namespace {

constexpr uid_t kPodRoot = 1'000'000;

class PodCgroupTest : public CgroupTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    CgroupTest::SetUp();
  }
  static AppName app(const char* name) { return AppName::parse(name).value(); }
  Result<PodCgroup> make(const CgroupLimits& each = {}) {
    return makePodCgroup(hierarchy_, {.path = path_},
                         {.name = Component::parse("pod").value(),
                          .whole = {},
                          .apps = {{app("web"), each}, {app("init"), {}}},
                          .owner = kPodRoot,
                          .leader = leader_});
  }
  std::string pod() const { return path_ + "/pod"; }
  std::optional<pid_t> leader_;
};

TEST_F(PodCgroupTest, PidOneAndEachAppHaveALeaf) {
  const auto made = make();
  ASSERT_TRUE(made) << made.error().text();
  ASSERT_EQ(made->apps.size(), 2U);
  const pid_t init = processIn(made->init);
  const pid_t web = processIn(made->apps[0]);
  const pid_t other = processIn(made->apps[1]);
  EXPECT_EQ(cgroupOf(init).value_or(""), pod() + "/init");
  EXPECT_EQ(cgroupOf(web).value_or(""), pod() + "/app-web");
  EXPECT_EQ(cgroupOf(other).value_or(""), pod() + "/app-init");
  EXPECT_TRUE(removeCgroup(pod()));
  for (const pid_t pid : {init, web, other}) EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
}

TEST_F(PodCgroupTest, AProcessThatWaitsAlreadyIsMoved) {
  leader_ = processIn(group_);
  const auto made = make();
  const std::string path = cgroupOf(*leader_).value_or("");
  ::kill(*leader_, SIGKILL);
  ::waitpid(*leader_, nullptr, 0);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(path, pod() + "/init");
}

TEST_F(PodCgroupTest, OnlyThePodsRootStartsProcessesInTheApps) {
  const auto made = make();
  ASSERT_TRUE(made) << made.error().text();
  const auto start = [&](uid_t uid, FdRef into) {
    return inChild([&] {
      // As PID 1 does it: from within its own leaf.
      if (!writeCgroup(made->init, "cgroup.procs", "0")) return 100;
      if (::setresuid(uid, uid, uid) != 0) return 101;
      const pid_t pid = processIn(into);
      if (pid < 0) return errno;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      return 0;
    });
  };
  EXPECT_TRUE(start(kPodRoot, made->apps[0]).clean());
  EXPECT_EQ(start(kPodRoot + 1, made->apps[0]).code, EACCES);
  EXPECT_EQ(start(kPodRoot, group_).code, EACCES);
}

TEST_F(PodCgroupTest, R07_TheDescriptorOfAnAppLeadsNowhereElse) {
  const auto made = make();
  ASSERT_TRUE(made) << made.error().text();
  struct stat own;
  struct stat above;
  ASSERT_EQ(::fstatat(made->apps[0].get(), ".", &own, 0), 0);
  ASSERT_EQ(::fstatat(made->apps[0].get(), "../../..", &above, 0), 0);
  EXPECT_EQ(own.st_ino, above.st_ino);
  // Root too: it is a read-only mount.
  EXPECT_LT(::openat(made->apps[0].get(), "cgroup.procs", O_WRONLY | O_CLOEXEC), 0);
  EXPECT_EQ(errno, EROFS);
  EXPECT_LT(::mkdirat(made->apps[0].get(), "below", 0755), 0);
}

TEST_F(PodCgroupTest, LimitsAreToldOncePerKindAndTheOneThatDoesNotHoldFirst) {
  const auto made = make({.memoryBytes = 1 << 26, .pidsMax = 5});
  ASSERT_TRUE(made) << made.error().text();
  ASSERT_EQ(made->limits.size(), 2U);
  EXPECT_EQ(made->limits[0].name, "memory");
  EXPECT_TRUE(made->limits[0].detail.starts_with("app-web: ")) << made->limits[0].detail;
  EXPECT_EQ(made->limits[0].enforced, made->limits[0].detail.contains("memory.max=67108864"));
}

TEST_F(PodCgroupTest, R03_WhatEntersFindsTheAppsGroupAndNeverNone) {
  const auto made = make();
  ASSERT_TRUE(made) << made.error().text();
  const auto pathOf = [&](const AppName& name) {
    const auto group = openAppCgroup(pod(), name).value();
    const pid_t pid = processIn(*group);
    const std::string path = cgroupOf(pid).value_or("");
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return path;
  };
  EXPECT_EQ(pathOf(app("web")), pod() + "/app-web");
  EXPECT_EQ(pathOf(app("none")), pod() + "/init");
  EXPECT_FALSE(openAppCgroup(path_ + "/gone", app("web")));
  EXPECT_FALSE(openAppCgroup("", app("web")).value().has_value());
}

}  // namespace
}  // namespace airlock::sandbox
