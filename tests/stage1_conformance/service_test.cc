// SPDX-License-Identifier: Apache-2.0
// What passes between whoever holds a pod and its apps: notifications, sockets, streams of their
// own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/syscall.h"
#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = ipc::LeashEvent::Kind;

class Service : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
  static PodRequest notifying(std::vector<std::string> exec) {
    PodRequest request = shellPod("");
    request.spec.apps[0].exec = std::move(exec);
    request.spec.apps[0].notify = true;
    return request;
  }
  // A listener on loopback, of this process's network.
  static Fd listener() {
    Fd fd = Fd::own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), 4), 0);
    return fd;
  }
  static Fd connectTo(const Fd& server) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    Fd fd = Fd::own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    return fd;
  }
};

TEST_F(Service, WhatAnAppNotifiesGoesUpTheLeash) {
  Stage1 pod = startPod(notifying({"/bin/probe", "notify", "READY=1|STATUS=serving|MAINPID=1"}));
  pod.waitFor(Kind::Notify);
  const ipc::LeashEvent said = pod.events.back();
  EXPECT_EQ(said.app, "app");
  EXPECT_EQ(said.notify, ipc::kNotifyReady | ipc::kNotifyStatus);
  EXPECT_EQ(said.text, "serving");
  EXPECT_NE(pod.event(Kind::Ready), nullptr) << "it runs before it says anything";
  pod.command({});
  pod.finish();
  EXPECT_EQ(pod.code, 128 + SIGTERM);
}

TEST_F(Service, AnAppWithoutNotifyHasNoSocketForIt) {
  Stage1 pod = runPod(shellPod("echo ${NOTIFY_SOCKET-none}; ls -l /dev/notify"));
  EXPECT_EQ(pod.output, "none\n");
}

TEST_F(Service, TheWatchdogIsHandedOn) {
  PodRequest request =
      notifying({"/bin/sh", "-c", "test $WATCHDOG_PID = $$ && echo $WATCHDOG_USEC $NOTIFY_SOCKET"});
  request.spec.watchdogMicroseconds = 5'000'000;
  request.spec.apps[0].environment = {{"WATCHDOG_PID", "1"}};
  EXPECT_EQ(runPod(std::move(request)).output, "5000000 /dev/notify\n");
}

// One that lost its last words would have failed in the eyes of whoever started it.
TEST_F(Service, WhatAnAppSaysLastIsHeard) {
  Stage1 pod = runPod(notifying({"/bin/probe", "notify-last", "READY=1"}));
  ASSERT_NE(pod.event(Kind::Notify), nullptr);
  EXPECT_EQ(pod.event(Kind::Notify)->notify, ipc::kNotifyReady);
  EXPECT_EQ(pod.code, 0);
}

TEST_F(Service, R13_OnlyTheAppItselfSpeaksForItAndNothingButWords) {
  Stage1 pod = startPod(notifying({"/bin/probe", "notify-badly"}));
  pod.waitFor(Kind::Notify);
  EXPECT_EQ(pod.events.back().notify, ipc::kNotifyStatus)
      << "neither with a descriptor, nor as one line of too many, nor from a child";
  EXPECT_EQ(pod.events.back().text, "last");
}

TEST_F(Service, R13_AnotherAppOfThePodDoesNotSpeakForIt) {
  PodRequest request = notifying({"/bin/probe", "notify", "STATUS=waiting"});
  // The other app's pid follows: both are children of PID 1, started in order.
  request.spec.apps.push_back(
      shellApp("evil",
               "pid=$(grep -l notify /proc/[0-9]*/cmdline | head -n 1 | cut -d/ -f3);"
               "/bin/probe notify-other $pid; /bin/probe forge $pid; echo done; sleep 0.2"));
  request.roots.emplace_back();
  Stage1 pod = startPod(std::move(request));
  while (pod.next(5'000) && pod.event(Kind::AppExited) == nullptr) continue;
  pod.command({});
  pod.finish();
  EXPECT_THAT(pod.output, HasSubstr("notify ok")) << "it can reach it";
  EXPECT_THAT(pod.output, HasSubstr("forge EPERM"));
  std::uint32_t said = 0;
  for (const ipc::LeashEvent& event : pod.events) said |= event.notify;
  EXPECT_EQ(said, ipc::kNotifyStatus);
}

TEST_F(Service, AnEnteredProcessHasNoneOfIt) {
  PodRequest request = notifying({"/bin/probe", "notify", "READY=1"});
  request.spec.apps[0].sockets = {{AppName::parse("http").value(), false, 80}};
  request.others.push_back(listener());
  Stage1 pod = startPod(std::move(request));
  pod.waitFor(Kind::Notify);
  Stage1 entered = pod.enter({.app = AppName::parse("app").value(),
                              .exec = {"/bin/sh", "-c", "env; /bin/probe fds"},
                              .environment = {}});
  entered.finish();
  for (const char* name : {"NOTIFY_SOCKET", "LISTEN_", "fd 3"})
    EXPECT_THAT(entered.output, Not(HasSubstr(name)));
}

TEST_F(Service, R13_AnAppHasItsDeclaredSocketsAndNoOtherDescriptor) {
  PodRequest request =
      shellPod("echo $LISTEN_FDS $LISTEN_FDNAMES; test $LISTEN_PID = $$ && exec /bin/probe fds");
  request.spec.apps[0].sockets = {{AppName::parse("http").value(), false, 80},
                                  {AppName::parse("admin").value(), false, 81}};
  request.spec.apps.push_back(
      shellApp("second", "sleep 0.2; echo ${LISTEN_FDS-none}; exec /bin/probe fds"));
  request.roots.emplace_back();
  request.others.push_back(listener());
  request.others.push_back(listener());
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.output, "2 http:admin\nfd 0\nfd 1\nfd 2\nfd 3\nfd 4\nnone\nfd 0\nfd 1\nfd 2\n")
      << pod.errors;
}

TEST_F(Service, AConnectionIsAcceptedInThePod) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"/bin/probe", "serve"};
  request.spec.apps[0].sockets = {{AppName::parse("http").value(), false, 80}};
  const Fd server = listener();
  request.others.push_back(sys::duplicate(server).value());
  Stage1 pod = startPod(std::move(request));
  EXPECT_EQ(pod.readLine(), "mine 1 http");
  const Fd client = connectTo(server);
  EXPECT_EQ(pod.readLine(), "accept ok");
  EXPECT_EQ(sys::readAll(client, 100).value(), "from the pod\n");
  pod.finish();
}

TEST_F(Service, AnAppMayHaveStreamsOfItsOwn) {
  sys::Pipe own = sys::pipe().value();
  PodRequest request = shellPod("echo first; echo oops >&2");
  request.spec.apps.push_back(shellApp("second", "sleep 0.2; echo own; echo shared >&2"));
  request.spec.apps[1].ownOutput = true;
  request.roots.emplace_back();
  request.others.push_back(std::move(own.writeEnd));
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.output, "first\n");
  EXPECT_EQ(pod.errors, "oops\nshared\n");
  EXPECT_EQ(sys::readAll(own.readEnd, 100).value(), "own\n") << "PID 1 keeps no end of it";
}

TEST_F(Service, ADescriptorThatIsMissingEndsTheStart) {
  PodRequest request = shellPod("echo not reached");
  request.spec.apps[0].sockets = {{AppName::parse("http").value(), false, 80}};
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 254);
  ASSERT_NE(pod.event(Kind::Failed), nullptr);
  EXPECT_THAT(pod.event(Kind::Failed)->text, HasSubstr("missing"));
}

}  // namespace
}  // namespace airlock::conformance
