// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/launch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include "base/syscall.h"

namespace airlock::stage1 {
namespace {

using Texts = std::vector<std::string>;

TEST(Launch, AnAbsoluteProgramIsTakenAsItIs) {
  EXPECT_EQ(programCandidates("/bin/x", "/work", "/bin"), Texts{"/bin/x"});
}

TEST(Launch, AProgramWithASlashIsBelowTheWorkingDirectory) {
  EXPECT_EQ(programCandidates("./x", "/work", "/bin"), Texts{"/work/./x"});
  EXPECT_EQ(programCandidates("bin/x", "/", "/bin"), Texts{"/bin/x"});
}

TEST(Launch, ABareNameIsTriedInEachAbsoluteDirectory) {
  EXPECT_EQ(programCandidates("x", "/work", "/a:/b"), (Texts{"/a/x", "/b/x"}));
  EXPECT_EQ(programCandidates("x", "/work", ":.:rel:/b:"), Texts{"/b/x"});
  EXPECT_EQ(programCandidates("x", "/work", ""), Texts{});
  EXPECT_EQ(programCandidates("", "/work", "/a"), Texts{});
}

TEST(Launch, DefaultsFillWhatTheEnvironmentLacks) {
  const Environment complete = completeEnvironment({{"HOME", "/h"}}, "me", "/root", true);
  const Environment expected = {
      {"HOME", "/h"},
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"SHELL", "/bin/sh"},
      {"USER", "me"},
      {"LOGNAME", "me"},
      {"TERM", "xterm"}};
  EXPECT_EQ(complete, expected);
}

ipc::AppSpec app() {
  ipc::AppSpec app{.name = AppName::parse("app").value()};
  app.exec = {"/bin/true"};
  return app;
}

Result<LaunchPlan> plan(const ipc::AppSpec& app, std::vector<sock_filter> filter = {}) {
  Fd root = sys::openPath("/", O_PATH | O_DIRECTORY).value();
  return planLaunch(root, {app, app.exec, {}, false, "/apps/app", std::move(filter)});
}

TEST(Launch, NoNewPrivilegesIsGivenUpOnlyByRootWithoutAFurtherFilter) {
  ipc::AppSpec spec = app();
  spec.noNewPrivileges = false;
  EXPECT_FALSE(plan(spec)->confinement.noNewPrivileges);
  EXPECT_TRUE(plan(spec, {sock_filter{}})->confinement.noNewPrivileges);
  spec.user = "1000";
  EXPECT_TRUE(plan(spec)->confinement.noNewPrivileges);
}

TEST(Launch, TheRightToMountIsRefused) {
  ipc::AppSpec spec = app();
  spec.capabilities = std::uint64_t{1} << CAP_SYS_ADMIN;
  EXPECT_EQ(plan(spec).error().code(), "E_CAPABILITY");
}

TEST(Launch, SupplementaryGroupsAreThePods) {
  ipc::AppSpec spec = app();
  spec.supplementaryGids = {65535};
  EXPECT_EQ(plan(spec).error().code(), "E_GROUP");
}

TEST(Launch, EngineVariablesWinOverTheImages) {
  ipc::AppSpec spec = app();
  spec.environment = {{"container", "other"}, {"AC_APP_NAME", "other"}};
  const Texts environment = plan(spec)->environment;
  EXPECT_EQ(environment[0], "container=airlock");
  EXPECT_EQ(environment[1], "AC_APP_NAME=app");
}

}  // namespace
}  // namespace airlock::stage1
