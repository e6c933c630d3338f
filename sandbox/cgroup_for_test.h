// SPDX-License-Identifier: Apache-2.0
// A cgroup of a test's own, below the one that it runs in.  Tests of sandbox/ only.
#pragma once

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "sandbox/cgroup.h"

namespace airlock::sandbox {

class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto hierarchy = openCgroupHierarchy();
    if (!hierarchy) GTEST_SKIP() << "no cgroup v2 hierarchy is mounted";
    hierarchy_ = *std::move(hierarchy);
    const auto above = cgroupOf(::getpid());
    ASSERT_TRUE(above) << above.error().text();
    const Component name = Component::parse("airlock-unit-" + std::to_string(::getpid())).value();
    auto parent = openCgroup(hierarchy_, *above);
    ASSERT_TRUE(parent) << parent.error().text();
    auto made = makeCgroup(*parent, name);
    if (!made) GTEST_SKIP() << "no group can be made here: " << made.error().text();
    path_ = cgroupPath(*above, name);
    group_ = *std::move(made);
  }
  void TearDown() override {
    if (group_.valid()) static_cast<void>(removeCgroup(path_));
  }

  static Fd below(FdRef parent, const char* name) {
    auto made = makeCgroup(parent, Component::parse(name).value());
    EXPECT_TRUE(made) << made.error().text();
    return made ? *std::move(made) : Fd();
  }

  // A process that waits for its end in `dir`, ignoring what can be ignored.
  static pid_t processIn(FdRef dir) {
    clone_args arguments{};
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(dir.get());
    arguments.exit_signal = SIGCHLD;
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
      ::signal(SIGTERM, SIG_IGN);
      for (;;) ::pause();
    }
    return static_cast<pid_t>(pid);
  }

  Fd hierarchy_;
  std::string path_;
  Fd group_;
};

}  // namespace airlock::sandbox
