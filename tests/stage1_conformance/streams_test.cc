// SPDX-License-Identifier: Apache-2.0
// Streams that PID 1 keeps: logs, pipes and terminals for whoever attaches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/syscall.h"
#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ipc::StreamMode;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class AppStreams : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
};

PodRequest podWith(const std::string& script, StreamMode input, StreamMode output,
                   StreamMode errors) {
  PodRequest request = shellPod(script);
  ipc::AppSpec& app = request.spec.apps[0];
  app.input = input;
  app.output = output;
  app.errors = errors;
  return request;
}

ipc::AttachSpec all() { return {AppName::parse("app").value(), true, true, true}; }

void say(const Fd& to, const std::string& message) {
  ASSERT_EQ(::send(to.get(), message.data(), message.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(message.size()));
}
// The next message; "" when the connection has ended, "nothing" when none comes.
std::string hear(const Fd& from) {
  pollfd event{from.get(), POLLIN, 0};
  if (::poll(&event, 1, 20'000) <= 0) return "nothing";
  std::string message(ipc::kStreamChunk + 1, '\0');
  const ssize_t got = ::recv(from.get(), message.data(), message.size(), 0);
  message.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return message;
}
// All output until `end` is part of it, or the connection ends.
std::string hearUntil(const Fd& from, const std::string& end) {
  std::string text;
  while (!text.contains(end)) {
    const std::string message = hear(from);
    if (message.empty() || message == "nothing" || message == "z") break;
    text += message.substr(1);
  }
  return text;
}

TEST_F(AppStreams, ALogHasEachLineWithTimeAndStream) {
  const Stage1 pod = runPod(podWith("echo one; echo two >&2; printf rest", StreamMode::Inherit,
                                    StreamMode::Log, StreamMode::Log));
  EXPECT_EQ(pod.code, 0);
  EXPECT_EQ(pod.output + pod.errors, "");
  const std::string log = pod.log("app");
  const std::string time = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z ";
  EXPECT_THAT(log, HasSubstr(" stdout F one\n"));
  EXPECT_THAT(log, HasSubstr(" stderr F two\n"));
  EXPECT_THAT(log, HasSubstr(" stdout P rest\n"));
  EXPECT_THAT(log, MatchesRegex("(" + time + "std(out|err) [FP] [a-z]+\n)+"));
  EXPECT_THAT(pod.log("app.pid"), MatchesRegex("[0-9]+\n"));
}

TEST_F(AppStreams, AChattyAppHasABoundedLogAndDelaysNobody) {
  PodRequest request = podWith("dd if=/dev/zero bs=64k count=512 2>/dev/null; echo; echo last",
                               StreamMode::Null, StreamMode::Log, StreamMode::Null);
  request.spec.apps.push_back(shellApp("other", "echo other; exit 0"));
  request.roots.emplace_back();
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 0);
  EXPECT_EQ(pod.output, "other\n");
  EXPECT_THAT(pod.log("app"), HasSubstr(" stdout F last\n"));
  EXPECT_LE(pod.log("app").size() + pod.log("app.1").size(), 2 * limits::kLogFileBytes);
}

TEST_F(AppStreams, NobodyIsAtTheOtherEndOfNull) {
  const Stage1 pod = runPod(podWith("cat; echo gone; echo gone >&2", StreamMode::Null,
                                    StreamMode::Null, StreamMode::Null));
  EXPECT_EQ(pod.code, 0);
  EXPECT_EQ(pod.output + pod.errors, "");
}

TEST_F(AppStreams, SeveralHearTheAppAndAnyMayType) {
  Stage1 pod = startPod(podWith("while read line; do echo got $line; echo err >&2; done",
                                StreamMode::Stream, StreamMode::Stream, StreamMode::Stream));
  pod.waitFor(ipc::LeashEvent::Kind::Ready);
  const Fd first = pod.attach(all());
  const Fd second = pod.attach({AppName::parse("app").value(), true, true, false});
  say(first, "ione\n");
  EXPECT_EQ(hearUntil(second, "\n"), "got one\n");
  EXPECT_THAT(hearUntil(first, "err\n"), HasSubstr("err\n"));
  say(second, "itwo\n");
  EXPECT_THAT(hearUntil(first, "two\n"), HasSubstr("got two\n"));
  say(second, "e");
  pod.finish();
  EXPECT_EQ(pod.code, 0);
  std::string last;
  for (std::string message; !(message = hear(second)).empty();) last = message;
  EXPECT_EQ(last, "z");
}

TEST_F(AppStreams, WhoDoesNotReadIsDroppedAndTheAppGoesOn) {
  Stage1 pod = startPod(podWith("read go; dd if=/dev/zero bs=64k count=64 2>/dev/null; echo end",
                                StreamMode::Stream, StreamMode::Stream, StreamMode::Inherit));
  pod.waitFor(ipc::LeashEvent::Kind::Ready);
  const Fd deaf = pod.attach(all());
  const Fd reader = pod.attach(all());
  say(reader, "igo\n");
  EXPECT_THAT(hearUntil(reader, "end\n"), HasSubstr("end\n"));
  pod.finish();
  EXPECT_EQ(pod.code, 0);
  std::string last;
  for (std::string message; !(message = hear(deaf)).empty();) last = message;
  EXPECT_THAT(last, StartsWith("o")) << "it was not told the end";
}

TEST_F(AppStreams, ATerminalIsTheAppsOwn) {
  PodRequest request = podWith("read line; tty; tty < /dev/tty; echo $line $TERM; echo err >&2",
                               StreamMode::Tty, StreamMode::Tty, StreamMode::Tty);
  request.spec.apps[0].user = request.spec.apps[0].group = "1000";
  Stage1 pod = startPod(std::move(request));
  pod.waitFor(ipc::LeashEvent::Kind::Ready);
  const Fd attached = pod.attach({AppName::parse("app").value(), true, true, false});
  say(attached, std::string("w\x28\0\x78\0", 5));
  say(attached, "ihello\n");
  const std::string text = hearUntil(attached, "err\r\n");
  EXPECT_THAT(text, HasSubstr("/dev/pts/0\r\n/dev/tty\r\nhello xterm\r\nerr\r\n"));
  pod.finish();
  EXPECT_EQ(pod.code, 0);
}

TEST_F(AppStreams, R06_AnAppWithKeptStreamsHasNoOtherDescriptor) {
  PodRequest request = podWith("", StreamMode::Stream, StreamMode::Log, StreamMode::Log);
  request.spec.apps[0].exec = {"/bin/probe", "fds"};
  const Stage1 pod = runPod(std::move(request));
  std::string text = pod.log("app");
  EXPECT_THAT(text, HasSubstr("fd 0"));
  EXPECT_THAT(text, HasSubstr("fd 2"));
  EXPECT_FALSE(text.contains("fd 3")) << text;
}

TEST_F(AppStreams, AnAppMayOpenItsOwnStreamsByName) {
  PodRequest request = podWith("echo again > /dev/stdout; echo more > /proc/self/fd/2",
                               StreamMode::Null, StreamMode::Log, StreamMode::Log);
  request.spec.apps[0].user = request.spec.apps[0].group = "1000";
  const Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 0);
  EXPECT_THAT(pod.log("app"), HasSubstr(" stdout F again\n"));
  EXPECT_THAT(pod.log("app"), HasSubstr(" stderr F more\n"));
}

TEST_F(AppStreams, WhatIsNoAttachmentIsClosed) {
  Stage1 pod =
      startPod(podWith("read line", StreamMode::Stream, StreamMode::Stream, StreamMode::Stream));
  pod.waitFor(ipc::LeashEvent::Kind::Ready);
  const Fd unknown = pod.attach({AppName::parse("other").value(), true, true, true});
  EXPECT_EQ(hear(unknown), "z") << "there is no such app";
  const Fd attached = pod.attach(all());
  say(attached, "?what");
  say(attached, "w12");
  say(attached, "igo\n");
  pod.finish();
  EXPECT_EQ(pod.code, 0);
}

}  // namespace
}  // namespace airlock::conformance
