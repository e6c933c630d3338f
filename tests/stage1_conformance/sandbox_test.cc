// SPDX-License-Identifier: Apache-2.0
// A pod without an app, and apps that are brought into it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ::testing::HasSubstr;
using Kind = ipc::LeashEvent::Kind;

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
    PodRequest request = shellPod("true");
    request.spec.apps.clear();
    request.spec.sandbox = true;
    request.roots.clear();
    pod_.emplace(startPod(std::move(request)));
    pod_->waitFor(Kind::Ready);
  }
  std::string mountsOfPidOne() const {
    std::string text;
    if (std::FILE* file =
            std::fopen(("/proc/" + std::to_string(pod_->pid()) + "/mountinfo").c_str(), "re")) {
      for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
      std::fclose(file);
    }
    return text;
  }
  std::optional<Stage1> pod_;
};

TEST_F(Sandbox, LivesWithoutAnAppUntilItIsStopped) {
  EXPECT_FALSE(pod_->next(300));
  EXPECT_EQ(pod_->status(".ready"), "");
  pod_->command({.kind = ipc::LeashCommand::Kind::Stop});
  pod_->finish();
  EXPECT_EQ(pod_->code, 0);
  ASSERT_NE(pod_->event(Kind::PodExited), nullptr);
}

TEST_F(Sandbox, R01_R02_R03_R04_AnAddedAppIsLikeOneThatAPodIsStartedWith) {
  const std::string describe =
      "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask)' /proc/self/status; "
      "cat /proc/self/limits; pwd; env | grep -v '^_='; cut -d' ' -f5,6 /proc/self/mountinfo; "
      "ls -la /dev | tr -s ' ' | cut -d' ' -f1,3-6; hostname | cut -c1-8; ls /proc/1/root 2>&1; "
      "true";
  for (const char* user : {"0", "1000"}) {
    const auto pod = [&] {
      PodRequest request = shellPod(describe);
      request.spec.apps[0].user = user;
      request.spec.apps[0].group = user;
      request.spec.apps[0].readOnlyRoot = true;
      return request;
    };
    Stage1 own = startPod(pod());
    own.finish();
    Stage1 added = pod_->add(pod());
    added.finish();
    EXPECT_EQ(added.code, 0) << (added.events.empty() ? "" : added.events.back().text);
    EXPECT_EQ(added.output, own.output);
    EXPECT_THAT(added.output, HasSubstr("NoNewPrivs:\t1\n"));
  }
}

TEST_F(Sandbox, AnAddedAppsMountsAreInNobodyElsesTable) {
  const std::string before = mountsOfPidOne();
  Stage1 added = pod_->add(shellPod("echo up; sleep 60"));
  EXPECT_EQ(added.readLine(), "up");
  EXPECT_EQ(mountsOfPidOne(), before);
  EXPECT_EQ(before.find("/apps/app"), std::string::npos);
}

TEST_F(Sandbox, AnAppOutlivesTheLeashOfItsStartAndEndsByASignalFromOutside) {
  Stage1 added =
      pod_->add(shellPod("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done"));
  EXPECT_EQ(added.readLine(), "up");
  added.dropLeash();
  ::usleep(300'000);
  EXPECT_EQ(added.status("app"), "");
  ASSERT_EQ(::kill(std::stoi(added.watcher()), SIGTERM), 0);
  EXPECT_EQ(added.readLine(), "bye");
  added.finish();
  EXPECT_EQ(added.code, 7);
  EXPECT_EQ(added.status("app"), "7\n");
  EXPECT_FALSE(pod_->next(300)) << "the pod stays";
}

TEST_F(Sandbox, AnAppCannotStopThePodOrAnotherApp) {
  Stage1 other = pod_->add(shellPod("echo up; sleep 60"));
  EXPECT_EQ(other.readLine(), "up");
  PodRequest request =
      shellPod("trap '' TERM; for p in 1 2 3 4 5 6; do kill -TERM $p; done 2>/dev/null; echo did");
  request.spec.apps[0].user = request.spec.apps[0].group = "1000";
  Stage1 added = pod_->add(request);
  added.finish();
  EXPECT_EQ(added.output, "did\n");
  EXPECT_FALSE(pod_->next(300));
  EXPECT_EQ(other.status("app"), "");
}

TEST_F(Sandbox, TheEntryPointIsForACompleteSandboxAlone) {
  Stage1 immutable = startPod(shellPod("sleep 60"));
  immutable.waitFor(Kind::Ready);
  Stage1 added = immutable.add(shellPod("true"));
  added.finish();
  EXPECT_EQ(added.code, 254);
  ASSERT_NE(added.event(Kind::Failed), nullptr);
}

}  // namespace
}  // namespace airlock::conformance
