// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ::testing::HasSubstr;
using Kind = ipc::LeashEvent::Kind;

class Lifecycle : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
};

std::string failureOf(PodRequest request) {
  Stage1 pod = runPod(std::move(request));
  const ipc::LeashEvent* failed = pod.event(Kind::Failed);
  EXPECT_EQ(pod.code, 254) << pod.errors;
  return failed == nullptr ? "no failure" : failed->text;
}

TEST_F(Lifecycle, ReadyThenAppExitedThenPodExited) {
  Stage1 pod = runPod(shellPod("echo hello; echo oops >&2"));
  ASSERT_EQ(pod.events.size(), 3U) << (pod.events.empty() ? "" : pod.events.back().text);
  EXPECT_EQ(pod.events[0].kind, Kind::Ready);
  EXPECT_EQ(pod.events[1].kind, Kind::AppExited);
  EXPECT_EQ(pod.events[1].app, "app");
  EXPECT_EQ(pod.events[2].kind, Kind::PodExited);
  EXPECT_EQ(pod.code, 0);
  EXPECT_EQ(pod.output, "hello\n");
  EXPECT_EQ(pod.errors, "oops\n");
  EXPECT_EQ(pod.status("app"), "0\n");
}

TEST_F(Lifecycle, TheExitCodeOfTheAppIsThePods) {
  Stage1 pod = runPod(shellPod("exit 7"));
  EXPECT_EQ(pod.code, 7);
  EXPECT_EQ(pod.status("app"), "7\n");
  EXPECT_EQ(pod.events.back().status, 7);
}

TEST_F(Lifecycle, AnAppThatASignalEndsCountsAs128AndTheSignal) {
  Stage1 pod = runPod(shellPod("kill -SEGV $$"));
  EXPECT_EQ(pod.code, 128 + SIGSEGV);
  EXPECT_EQ(pod.status("app"), "139\n");
}

TEST_F(Lifecycle, AnAppThatEndsWithZeroDoesNotStopTheOthers) {
  PodRequest request = shellPod("exit 0");
  request.spec.apps.push_back(shellApp("second", "sleep 0.3; echo still here"));
  request.roots.emplace_back();
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 0);
  EXPECT_EQ(pod.output, "still here\n");
  EXPECT_EQ(pod.status("second"), "0\n");
}

TEST_F(Lifecycle, AnAppThatFailsStopsTheOthersAndIsTheResult) {
  PodRequest request = shellPod("sleep 0.2; exit 3");
  request.spec.apps.push_back(shellApp("second", "exec sleep 60"));
  request.roots.emplace_back();
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 3);
  EXPECT_EQ(pod.status("app"), "3\n");
  EXPECT_EQ(pod.status("second"), "143\n");
}

TEST_F(Lifecycle, StopSendsTermAndASecondStopKills) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"/bin/probe", "ignore-term"};
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "ignoring");
  pod.command({.kind = ipc::LeashCommand::Kind::Stop, .signal = 0});
  EXPECT_FALSE(pod.next(300).has_value() && pod.events.back().kind != Kind::Ready);
  pod.command({.kind = ipc::LeashCommand::Kind::Stop, .signal = 0});
  pod.finish();
  EXPECT_EQ(pod.code, 128 + SIGKILL);
}

TEST_F(Lifecycle, AppsThatIgnoreTermAreKilledAfterTenSeconds) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"/bin/probe", "ignore-term"};
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "ignoring");
  pod.command({.kind = ipc::LeashCommand::Kind::Stop, .signal = 0});
  pod.finish();
  EXPECT_EQ(pod.code, 128 + SIGKILL);
}

TEST_F(Lifecycle, TermFromOutsideStopsThePod) {
  Stage1 pod = startPod(shellPod("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"));
  EXPECT_EQ(pod.readLine(), "up");
  ::kill(pod.pid(), SIGTERM);
  pod.finish();
  EXPECT_EQ(pod.code, 5);
}

// machinectl poweroff, and what it sends for halt and reboot.
TEST_F(Lifecycle, TheSignalsOfMachinedStopThePod) {
  for (const int further : {3, 4, 5}) {
    Stage1 pod = startPod(shellPod("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"));
    EXPECT_EQ(pod.readLine(), "up");
    ::kill(pod.pid(), SIGRTMIN + further);
    pod.finish();
    EXPECT_EQ(pod.code, 5);
  }
}

// systemd signals PID 1 and the leash's holder, which tells PID 1 the same: an app still has its
// ten seconds.
TEST_F(Lifecycle, ASignalAndAStopAreOneWish) {
  Stage1 pod =
      startPod(shellPod("trap 'sleep 1; exit 5' TERM; echo up; while :; do sleep 0.05; done"));
  EXPECT_EQ(pod.readLine(), "up");
  ::kill(pod.pid(), SIGTERM);
  pod.command({.kind = ipc::LeashCommand::Kind::Stop, .signal = 0});
  pod.finish();
  EXPECT_EQ(pod.code, 5);
}

TEST_F(Lifecycle, TheEndOfTheLeashStopsThePod) {
  Stage1 pod = startPod(shellPod("trap 'exit 6' TERM; echo up; while :; do sleep 0.05; done"));
  EXPECT_EQ(pod.readLine(), "up");
  pod.dropLeash();
  pod.finish();
  EXPECT_EQ(pod.code, 6);
  EXPECT_EQ(pod.status("app"), "6\n");
}

TEST_F(Lifecycle, SignalsArePassedOn) {
  Stage1 pod =
      startPod(shellPod("trap 'echo got; exit 0' USR1; echo up; while :; do sleep 0.05; done"));
  EXPECT_EQ(pod.readLine(), "up");
  pod.command({.kind = ipc::LeashCommand::Kind::Signal, .signal = SIGUSR1});
  EXPECT_EQ(pod.readLine(), "got");
  pod.finish();
  EXPECT_EQ(pod.code, 0);
}

TEST_F(Lifecycle, K19_ThePayloadCannotEndOrStopPidOne) {
  Stage1 pod = runPod(shellPod("kill -TERM 1; kill -KILL 1; kill -STOP 1; sleep 0.2; echo alive"));
  EXPECT_EQ(pod.output, "alive\n");
  EXPECT_EQ(pod.code, 0);
}

TEST_F(Lifecycle, OrphansOfAnAppDoNotKeepThePod) {
  Stage1 pod = runPod(shellPod("sleep 100 >/dev/null 2>&1 & exit 0"));
  EXPECT_EQ(pod.code, 0);
}

TEST_F(Lifecycle, AMissingProgramIsNamed) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"/bin/nothing"};
  EXPECT_THAT(failureOf(std::move(request)), HasSubstr("unable to open \"/bin/nothing\""));
}

TEST_F(Lifecycle, ABareNameIsLookedForInThePathOfTheApp) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"nothing"};
  request.spec.apps[0].environment = {{"PATH", "/usr/bin:/bin"}};
  EXPECT_THAT(failureOf(std::move(request)),
              HasSubstr("unable to find \"nothing\" in \"/usr/bin:/bin\""));
  request = shellPod("");
  request.spec.apps[0].exec = {"echo", "found"};
  EXPECT_EQ(runPod(std::move(request)).output, "found\n");
}

TEST_F(Lifecycle, ARelativeProgramIsBelowTheWorkingDirectory) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"bin/echo", "relative"};
  EXPECT_EQ(runPod(std::move(request)).output, "relative\n");
}

TEST_F(Lifecycle, AMissingInterpreterIsNamed) {
  PodRequest request = shellPod("");
  request.roots[0].file("/script", "#!/no/such/thing -x\n", 0755);
  request.spec.apps[0].exec = {"/script"};
  EXPECT_THAT(failureOf(std::move(request)),
              HasSubstr("interpreter \"/no/such/thing\" is not in the image"));
}

TEST_F(Lifecycle, AProgramThatMayNotBeRunIsNamed) {
  PodRequest request = shellPod("");
  request.roots[0].file("/data", "x", 0644);
  request.spec.apps[0].exec = {"/data"};
  EXPECT_THAT(failureOf(std::move(request)), HasSubstr("Permission denied"));
}

TEST_F(Lifecycle, ATerminalIsThePodsOwn) {
  PodRequest request = shellPod(
      "tty; stat -c '%t %u' /dev/console; echo x > /dev/console; echo y > /dev/tty; id -u");
  request.spec.terminal = true;
  request.spec.apps[0].user = "1000";
  request.spec.apps[0].group = "1000";
  Stage1 pod = startPod(std::move(request));
  pod.waitFor(Kind::Terminal);
  ASSERT_TRUE(pod.terminal.valid());
  std::string seen;
  char buffer[256];
  ssize_t got;
  while ((got = ::read(pod.terminal.get(), buffer, sizeof buffer)) > 0) {
    seen.append(buffer, static_cast<std::size_t>(got));
  }
  pod.finish();
  EXPECT_EQ(pod.code, 0);
  EXPECT_EQ(seen, "/dev/pts/0\r\n88 1000\r\nx\r\ny\r\n1000\r\n");
}

TEST_F(Lifecycle, TheEnvironmentHasWhatTheContractSays) {
  PodRequest request = shellPod("env");
  request.hostEnvironment = {{"LD_PRELOAD", "/evil.so"}, {"SECRET", "1"}};
  request.spec.apps[0].environment = {{"A", "b"}};
  Stage1 pod = runPod(std::move(request));
  for (const char* line :
       {"A=b\n", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
        "SHELL=/bin/sh\n", "USER=root\n", "LOGNAME=root\n", "HOME=/root\n", "AC_APP_NAME=app\n",
        "container=airlock\n"}) {
    EXPECT_THAT(pod.output, HasSubstr(line));
  }
  EXPECT_EQ(pod.output.find("LD_PRELOAD"), std::string::npos);
  EXPECT_EQ(pod.output.find("SECRET"), std::string::npos);
}

TEST_F(Lifecycle, HostNameAndLoopbackArePrivate) {
  PodRequest request = shellPod(
      "hostname; ip -o addr show lo | grep -c 127.0.0.1; ls /sys/class/net; cat /etc/hosts");
  const std::string name = "airlock-" + request.spec.id.text();
  Stage1 pod = runPod(std::move(request));
  EXPECT_THAT(pod.output, ::testing::StartsWith(name + "\n1\nlo\n"));
  EXPECT_THAT(pod.output, HasSubstr("127.0.0.1\tlocalhost " + name));
}

}  // namespace
}  // namespace airlock::conformance
