// SPDX-License-Identifier: Apache-2.0
#include "cli/attach.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "base/process.h"
#include "base/syscall.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {
namespace {

using Kind = ipc::LeashEvent::Kind;

// A child that speaks for stage1.
struct Pod {
  Child child;
  ipc::Channel leash;
};

Pod startPod(const std::function<int(ipc::Channel&)>& script) {
  sys::SocketPair pair = sys::socketPair().value();
  const pid_t pid = ::fork();
  if (pid == 0) {
    pair.first.reset();
    ipc::Channel leash(std::move(pair.second));
    ::_exit(script(leash));
  }
  pair.second.reset();
  return {Child(pid, sys::pidfdOpen(pid).value()), ipc::Channel(std::move(pair.first))};
}

void say(ipc::Channel& leash, Kind kind, int status = 0, const std::string& text = {}) {
  static_cast<void>(leash.send(ipc::encode(ipc::LeashEvent{kind, "app", status, text})));
}

bool hearsStop(ipc::Channel& leash) {
  auto message = leash.receive(10'000);
  if (!message || !*message) return false;
  const auto command = ipc::decodeLeashCommand((*message)->bytes);
  return command && command->kind == ipc::LeashCommand::Kind::Stop;
}

Result<Ending> hold(Pod& pod, FdRef input = FdRef(-1), FdRef output = FdRef(-1),
                    bool terminal = false) {
  const StopSignals signals = StopSignals::block().value();
  const Attachment attachment{pod.child.pidfd(), signals.fd(), input, output, terminal};
  auto ending = holdLeash(attachment, pod.leash);
  pod.child.disown();  // reaped by holdLeash
  return ending;
}

TEST(Leash, ThePodsResultIsTheExitCode) {
  Pod pod = startPod([](ipc::Channel& leash) {
    say(leash, Kind::Ready);
    say(leash, Kind::AppExited, 3);
    say(leash, Kind::PodExited, 3);
    return 3;
  });
  const auto ending = hold(pod);
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 3);
  EXPECT_FALSE(ending->killed);
}

TEST(Leash, ASetUpThatFailedIsAnErrorInThePodsWordsEscaped) {
  Pod pod = startPod([](ipc::Channel& leash) {
    say(leash, Kind::Failed, 254, "no such \x1b[31m program");
    return 254;
  });
  const auto ending = hold(pod);
  ASSERT_FALSE(ending);
  EXPECT_NE(ending.error().text().find("no such"), std::string::npos);
  EXPECT_EQ(ending.error().text().find('\x1b'), std::string::npos);
}

TEST(Leash, APodThatWasKilledSaysNothingAndCounts137) {
  Pod pod = startPod([](ipc::Channel& leash) {
    say(leash, Kind::Ready);
    ::raise(SIGKILL);
    return 0;
  });
  const auto ending = hold(pod);
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 137);
  EXPECT_TRUE(ending->killed);
}

TEST(Leash, AChildThatOnlyExitsGivesItsCode) {
  Pod pod = startPod([](ipc::Channel&) { return 7; });
  const auto ending = hold(pod);
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 7);
}

TEST(Leash, NonsenseFromThePodEndsIt) {
  Pod pod = startPod([](ipc::Channel& leash) {
    static_cast<void>(leash.send("not a message"));
    ::pause();
    return 0;
  });
  const auto ending = hold(pod);
  ASSERT_TRUE(ending);
  EXPECT_TRUE(ending->killed);
}

TEST(Leash, EachSignalAsksToStop) {
  const pid_t holder = ::getpid();
  Pod pod = startPod([holder](ipc::Channel& leash) {
    say(leash, Kind::Ready);
    ::kill(holder, SIGTERM);
    if (!hearsStop(leash)) return 1;
    ::kill(holder, SIGINT);
    if (!hearsStop(leash)) return 1;
    say(leash, Kind::PodExited, 143);
    return 143;
  });
  // Blocked before the child can send anything.
  const StopSignals signals = StopSignals::block().value();
  const Attachment attachment{pod.child.pidfd(), signals.fd(), FdRef(-1), FdRef(-1), false};
  const auto ending = holdLeash(attachment, pod.leash);
  pod.child.disown();
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 143);
  EXPECT_TRUE(ending->told);
}

TEST(Leash, TermEndsUsAsItEndedThePod) {
  const auto endAs = [](const Ending& ending) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(exitAs(ending));
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  };
  const int clean = endAs({.code = 143, .killed = false, .told = true});
  EXPECT_TRUE(WIFSIGNALED(clean) && WTERMSIG(clean) == SIGTERM) << clean;
  // An app that ended by itself, or in its own way, says so.
  EXPECT_EQ(WEXITSTATUS(endAs({.code = 143, .killed = false, .told = false})), 143);
  EXPECT_EQ(WEXITSTATUS(endAs({.code = 0, .killed = false, .told = true})), 0);
}

TEST(Leash, TheTerminalIsRelayedInBothDirections) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Fd podMaster = Fd::own(master);
  Fd podSlave = Fd::own(slave);
  Pod pod = startPod([&](ipc::Channel& leash) {
    const std::array<FdRef, 1> fds = {podMaster.ref()};
    static_cast<void>(leash.send(ipc::encode(ipc::LeashEvent{Kind::Terminal, "app", 0, {}}), fds));
    std::array<char, 64> line;
    const ssize_t count = ::read(podSlave.get(), line.data(), line.size());
    if (count != 6) return 1;
    if (::write(podSlave.get(), "answer", 6) != 6) return 1;
    say(leash, Kind::PodExited, 5);
    return 5;
  });
  podSlave.reset();
  sys::Pipe input = sys::pipe().value();
  sys::Pipe output = sys::pipe().value();
  ASSERT_TRUE(sys::writeAll(input.writeEnd, std::string_view("hello\n")));
  const auto ending = hold(pod, input.readEnd, output.writeEnd, true);
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 5);
  output.writeEnd.reset();
  const std::string seen = sys::readAll(output.readEnd, 1024).value();
  EXPECT_NE(seen.find("answer"), std::string::npos) << seen;
}

TEST(Leash, TheEscapeKillsThePod) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Fd podMaster = Fd::own(master);
  const Fd podSlave = Fd::own(slave);
  int userMaster = -1;
  int userSlave = -1;
  ASSERT_EQ(::openpty(&userMaster, &userSlave, nullptr, nullptr, nullptr), 0);
  const Fd keyboard = Fd::own(userMaster);
  const Fd screen = Fd::own(userSlave);
  Pod pod = startPod([&](ipc::Channel& leash) {
    const std::array<FdRef, 1> fds = {podMaster.ref()};
    static_cast<void>(leash.send(ipc::encode(ipc::LeashEvent{Kind::Terminal, "app", 0, {}}), fds));
    // Typed only once the holder's terminal is raw: otherwise its line discipline would keep it for
    // a line's end.
    for (;;) {
      termios mode{};
      ::tcgetattr(podSlave.get(), &mode);
      ::tcgetattr(screen.get(), &mode);
      if ((mode.c_lflag & ICANON) == 0) break;
      ::usleep(1000);
    }
    static_cast<void>(!::write(keyboard.get(), "\x1d\x1d\x1d", 3));
    ::pause();
    return 0;
  });
  const auto ending = hold(pod, screen, screen, true);
  ASSERT_TRUE(ending);
  EXPECT_TRUE(ending->killed);
  EXPECT_EQ(ending->code, 137);
}

}  // namespace
}  // namespace airlock::cli
