// SPDX-License-Identifier: Apache-2.0
// An entered process has what the app has, and never more: rkt's `enter` had more, three times
// over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <unistd.h>

#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = ipc::LeashEvent::Kind;

class Enter : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
};

ipc::EnterSpec shell(const std::string& script) {
  return {.app = AppName::parse("app").value(),
          .exec = {"/bin/sh", "-c", script},
          .environment = {},
          .terminal = false};
}

// Everything of a process that R01 to R04 compare.
constexpr char kDescribe[] =
    "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask)' /proc/self/status; "
    "cat /proc/self/cgroup /proc/self/limits /proc/self/oom_score_adj /proc/self/personality; pwd; "
    "env | grep -v '^_='; "
    "cut -d' ' -f4- /proc/self/mountinfo; "
    "for n in user pid net ipc uts; do readlink /proc/self/ns/$n; done; hostname; echo END";

std::string readDescription(Stage1& stage1) {
  std::string text;
  for (std::string line; (line = stage1.readLine()) != "END";) text += line + "\n";
  return text;
}

TEST_F(Enter, R01_R02_R03_R04_AnEnteredProcessIsLikeTheApp) {
  for (const char* user : {"0", "1000"}) {
    PodRequest request = shellPod(std::string(kDescribe) + "; sleep 60");
    request.spec.apps[0].user = user;
    request.spec.apps[0].group = user;
    request.spec.apps[0].supplementaryGids = {7};
    request.spec.apps[0].workingDirectory = "/etc";
    request.spec.apps[0].environment = {{"FROM", "image"}};
    Stage1 pod = startPod(std::move(request));
    const std::string app = readDescription(pod);
    Stage1 entered = pod.enter(shell(kDescribe));
    entered.finish();
    EXPECT_EQ(entered.code, 0) << (entered.events.empty() ? "" : entered.events.back().text);
    EXPECT_EQ(entered.output, app + "END\n");
    EXPECT_THAT(app, HasSubstr("Seccomp_filters:\t1\n"));
    pod.command({.kind = ipc::LeashCommand::Kind::Stop, .signal = 0});
    pod.finish();
  }
}

TEST_F(Enter, R02_ForbiddenCallsAreForbiddenToo) {
  Stage1 pod = startPod(shellPod("probe calls; echo END; sleep 60"));
  const std::string app = readDescription(pod);
  Stage1 entered = pod.enter(shell("probe calls; echo END"));
  entered.finish();
  EXPECT_EQ(entered.output, app + "END\n");
  EXPECT_THAT(app, HasSubstr("add_key EPERM"));
}

TEST_F(Enter, R06_NoDescriptorBeyondTheStandardOnes) {
  Stage1 pod = startPod(shellPod("echo up; sleep 60"));
  EXPECT_EQ(pod.readLine(), "up");
  ipc::EnterSpec spec = shell("");
  spec.exec = {"/bin/probe", "fds"};
  Stage1 entered = pod.enter(spec);
  entered.finish();
  EXPECT_EQ(entered.output, "fd 0\nfd 1\nfd 2\n");
}

TEST_F(Enter, R06_AWatchingPayloadNeverSeesIntoTheJoiner) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"/bin/probe", "watch"};
  request.spec.apps[0].capabilities |= std::uint64_t{1} << CAP_SYS_PTRACE;
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "watching");
  for (int round = 0; round < 30; ++round) {
    Stage1 entered = pod.enter(shell("true"));
    entered.finish();
    EXPECT_EQ(entered.code, 0);
  }
  pod.enter(shell("touch /tmp/stop")).finish();
  EXPECT_EQ(pod.readLine(), "done");
}

TEST_F(Enter, TheExitCodeIsTheEnteredPrograms) {
  Stage1 pod = startPod(shellPod("echo up; sleep 60"));
  EXPECT_EQ(pod.readLine(), "up");
  Stage1 entered = pod.enter(shell("exit 9"));
  entered.finish();
  EXPECT_EQ(entered.code, 9);
  ASSERT_EQ(entered.events.size(), 3U);
  EXPECT_EQ(entered.events[0].kind, Kind::Ready);
  EXPECT_EQ(entered.events[1].kind, Kind::AppExited);
  EXPECT_EQ(entered.events[2].kind, Kind::PodExited);
  EXPECT_EQ(pod.status("app"), "") << "an entered process is not the app";
}

TEST_F(Enter, AnUnknownAppAndAMissingProgramAreNamed) {
  Stage1 pod = startPod(shellPod("echo up; sleep 60"));
  EXPECT_EQ(pod.readLine(), "up");
  ipc::EnterSpec spec = shell("true");
  spec.app = AppName::parse("other").value();
  Stage1 other = pod.enter(spec);
  other.finish();
  EXPECT_EQ(other.code, 254);
  EXPECT_THAT(other.events.at(0).text, HasSubstr("no app other"));
  spec = shell("true");
  spec.exec = {"nothing"};
  Stage1 missing = pod.enter(spec);
  missing.finish();
  EXPECT_EQ(missing.code, 254);
  EXPECT_THAT(missing.events.at(0).text, HasSubstr("unable to find \"nothing\""));
}

TEST_F(Enter, StopAndSignalsReachTheEnteredProcessOnly) {
  Stage1 pod = startPod(shellPod("echo up; sleep 60"));
  EXPECT_EQ(pod.readLine(), "up");
  Stage1 entered = pod.enter(
      shell("trap 'echo usr' USR1; trap 'exit 4' TERM; echo in; while :; do sleep 0.05; done"));
  EXPECT_EQ(entered.readLine(), "in");
  entered.command({.kind = ipc::LeashCommand::Kind::Signal, .signal = SIGUSR1});
  EXPECT_EQ(entered.readLine(), "usr");
  entered.command({.kind = ipc::LeashCommand::Kind::Stop, .signal = 0});
  entered.finish();
  EXPECT_EQ(entered.code, 4);
  EXPECT_FALSE(pod.event(Kind::AppExited) != nullptr);
}

TEST_F(Enter, TheEndOfTheLeashEndsTheEnteredProcess) {
  Stage1 pod = startPod(shellPod("echo up; sleep 60"));
  EXPECT_EQ(pod.readLine(), "up");
  Stage1 entered = pod.enter(shell("echo in; exec sleep 60"));
  EXPECT_EQ(entered.readLine(), "in");
  entered.dropLeash();
  entered.finish();
  EXPECT_EQ(entered.code, 128 + SIGTERM);
}

TEST_F(Enter, TheEnteredProcessEndsWithItsWatcher) {
  Stage1 pod = startPod(shellPod("echo up; until [ -e /tmp/gone ]; do sleep 0.05; done"));
  EXPECT_EQ(pod.readLine(), "up");
  Stage1 entered = pod.enter(shell("echo $$; exec sleep 60"));
  const std::string pid = entered.readLine();
  // The watcher is the parent; only the host can reach it.
  const std::string watcher = entered.watcher();
  ASSERT_FALSE(watcher.empty());
  ::kill(std::stoi(watcher), SIGKILL);
  entered.finish();
  Stage1 looking = pod.enter(shell("for i in 1 2 3 4 5 6 7 8 9; do kill -0 " + pid +
                                   " 2>/dev/null || break; sleep 0.1; done; "
                                   "kill -0 " +
                                   pid + " 2>/dev/null || echo gone; touch /tmp/gone"));
  looking.finish();
  EXPECT_EQ(looking.output, "gone\n");
  pod.finish();
}

TEST_F(Enter, ATerminalComesFromTheAppsOwnInstance) {
  Stage1 pod = startPod(shellPod("echo up; sleep 60"));
  EXPECT_EQ(pod.readLine(), "up");
  ipc::EnterSpec spec = shell("tty; echo $TERM; exit 2");
  spec.terminal = true;
  spec.environment = {{"TERM", "vt100"}};
  Stage1 entered = pod.enter(spec);
  entered.waitFor(Kind::Terminal);
  std::string seen;
  char buffer[256];
  ssize_t got;
  while ((got = ::read(entered.terminal.get(), buffer, sizeof buffer)) > 0) {
    seen.append(buffer, static_cast<std::size_t>(got));
  }
  entered.finish();
  EXPECT_EQ(entered.code, 2);
  EXPECT_EQ(seen, "/dev/pts/0\r\nvt100\r\n");
}

TEST_F(Enter, AFurtherFilterIsAppliedToo) {
  PodRequest request = shellPod("echo up; sleep 60");
  const unsigned long long allow = 0x7fff000000000006ULL;  // BPF_RET | BPF_K, SECCOMP_RET_ALLOW
  request.spec.apps[0].hasExtraFilter = true;
  request.filters.emplace_back(reinterpret_cast<const char*>(&allow), sizeof allow);
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "up");
  Stage1 entered = pod.enter(shell("grep Seccomp_filters /proc/self/status"));
  entered.finish();
  EXPECT_EQ(entered.output, "Seccomp_filters:\t2\n");
}

}  // namespace
}  // namespace airlock::conformance
