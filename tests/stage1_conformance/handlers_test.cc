// SPDX-License-Identifier: Apache-2.0
// Event handlers: before and after the app, and confined as it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = ipc::LeashEvent::Kind;

class Handlers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
};

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

constexpr ipc::LeashCommand kStop{.kind = ipc::LeashCommand::Kind::Stop, .signal = 0};

// What R01 to R04 compare of a process.
constexpr char kDescribe[] =
    "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask|Sig(Blk|Ign|Cgt))' /proc/self/status; "
    "cat /proc/self/cgroup /proc/self/limits /proc/self/oom_score_adj /proc/self/personality; pwd; "
    "env | grep -v '^_='; cut -d' ' -f4- /proc/self/mountinfo; "
    "for n in user pid net ipc uts; do readlink /proc/self/ns/$n; done; hostname; "
    "probe calls; probe fds; echo END";

TEST_F(Handlers, R01_R02_R03_R04_R06_AHandlerIsLikeTheApp) {
  for (const char* user : {"0", "1000"}) {
    PodRequest request = shellPod(kDescribe);
    ipc::AppSpec& app = request.spec.apps[0];
    app.user = app.group = user;
    app.supplementaryGids = {7};
    app.workingDirectory = "/etc";
    app.environment = {{"FROM", "image"}};
    app.preStart = app.postStop = app.exec;
    const bool grouped = !giveCgroups(request);
    const Stage1 pod = runPod(std::move(request));
    EXPECT_EQ(pod.code, 0) << (pod.events.empty() ? "" : pod.events.back().text);
    const std::size_t end = pod.output.find("END\n");
    ASSERT_NE(end, std::string::npos) << pod.output << pod.errors;
    const std::string one = pod.output.substr(0, end + 4);
    EXPECT_EQ(pod.output, one + one + one) << (grouped ? "in cgroups" : "without cgroups");
    EXPECT_THAT(one, HasSubstr("Seccomp_filters:\t1\n"));
    EXPECT_THAT(one, HasSubstr("add_key EPERM"));
    EXPECT_THAT(one, Not(HasSubstr("fd 3")));
  }
}

TEST_F(Handlers, TheyRunBeforeAndAfterTheApp) {
  PodRequest request = shellPod("cat /tmp/made; echo app > /tmp/made");
  request.spec.apps[0].preStart = shell("echo before > /tmp/made");
  request.spec.apps[0].postStop = shell("cat /tmp/made");
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.output, "before\napp\n");
  EXPECT_EQ(pod.code, 0);
}

TEST_F(Handlers, AFailedPreStartFailsTheApp) {
  PodRequest request = shellPod("echo app");
  request.spec.apps[0].preStart = shell("echo why; exit 3");
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.output, "why\n");
  EXPECT_EQ(pod.code, 254);
  ASSERT_NE(pod.event(Kind::Failed), nullptr);
  EXPECT_THAT(pod.event(Kind::Failed)->text, HasSubstr("its pre-start handler ended with 3"));
  EXPECT_EQ(pod.status("app"), "3\n");
}

TEST_F(Handlers, AMissingPreStartIsNamed) {
  PodRequest request = shellPod("echo app");
  request.spec.apps[0].preStart = {"/bin/nothing"};
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 254);
  EXPECT_THAT(pod.events.at(0).text, HasSubstr("its pre-start handler"));
  EXPECT_THAT(pod.events.at(0).text, HasSubstr("/bin/nothing"));
}

TEST_F(Handlers, PostStopRunsAlsoWhenTheAppHasFailed) {
  PodRequest request = shellPod("exit 7");
  request.spec.apps[0].postStop = shell("echo cleaned");
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.output, "cleaned\n");
  EXPECT_EQ(pod.code, 7);
  EXPECT_EQ(pod.status("app"), "7\n");
}

TEST_F(Handlers, PostStopRunsOnceTheAppWasStopped) {
  PodRequest request = shellPod("echo up; sleep 1000");
  request.spec.apps[0].postStop = shell("echo cleaned");
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "up");
  pod.command(kStop);
  pod.finish();
  EXPECT_EQ(pod.output, "cleaned\n");
}

TEST_F(Handlers, AFailedPostStopIsToldAndChangesNothing) {
  PodRequest request = shellPod("true");
  request.spec.apps[0].postStop = shell("exit 5");
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 0);
  ASSERT_NE(pod.event(Kind::Warning), nullptr);
  EXPECT_THAT(pod.event(Kind::Warning)->text, HasSubstr("ended with 5"));
}

TEST_F(Handlers, AHungPreStartEndsWithTheWishToStop) {
  PodRequest request = shellPod("echo app");
  request.spec.apps[0].preStart = shell("echo hangs; exec sleep 1000");
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "hangs");
  pod.command(kStop);
  pod.finish();
  EXPECT_EQ(pod.code, 254);
  EXPECT_THAT(pod.events.at(0).text, HasSubstr("stopped before the app was started"));
  EXPECT_EQ(pod.output, "");
}

TEST_F(Handlers, AHungPostStopKeepsNobodyInAHurry) {
  PodRequest request = shellPod("true");
  request.spec.apps[0].postStop = shell("echo hangs; exec sleep 1000");
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "hangs");
  pod.command(kStop);
  pod.command(kStop);
  pod.finish();
  EXPECT_EQ(pod.code, 0);
}

TEST_F(Handlers, R06_NothingInThePodSeesIntoTheOneThatWaits) {
  // The waiting process is the pod's root with all rights: no app may open its memory or files.
  PodRequest request = shellPod(
      "for p in /proc/[0-9]*; do test $p = /proc/$$ && continue; "
      "cat $p/maps $p/environ 2>/dev/null; ls $p/fd 2>/dev/null; done; echo looked");
  request.spec.apps[0].postStop = shell("echo cleaned");
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.output, "looked\ncleaned\n");
}

}  // namespace
}  // namespace airlock::conformance
