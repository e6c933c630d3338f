// SPDX-License-Identifier: Apache-2.0
// Channels over real socket pairs.
#include "ipc/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <iterator>

#include "base/limits.h"
#include "base/syscall.h"
#include "ipc/peer.h"

namespace airlock::ipc {
namespace {

struct Pair {
  Channel ours;
  Channel theirs;
};
Pair makePair() {
  auto pair = sys::socketPair().value();
  return {Channel(std::move(pair.first)), Channel(std::move(pair.second))};
}

std::size_t openDescriptors() {
  const std::filesystem::directory_iterator list("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(list), end(list)));
}

template <class T>
std::string codeOf(const Result<T>& result) {
  return result ? "ok" : result.error().code();
}

// Past Channel::send, which would refuse it.
bool sendRaw(FdRef socket, std::string_view bytes, std::size_t descriptors) {
  std::vector<char> control(CMSG_SPACE(descriptors * sizeof(int)));
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptors != 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* entry = CMSG_FIRSTHDR(&header);
    entry->cmsg_level = SOL_SOCKET;
    entry->cmsg_type = SCM_RIGHTS;
    entry->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    const std::vector<int> fds(descriptors, 0);
    std::memcpy(CMSG_DATA(entry), fds.data(), descriptors * sizeof(int));
  }
  return ::sendmsg(socket.get(), &header, MSG_NOSIGNAL) >= 0;
}

TEST(Channel, CarriesBytesAndDescriptors) {
  Pair pair = makePair();
  auto pipe = sys::pipe().value();
  const FdRef fds[] = {pipe.writeEnd};
  ASSERT_TRUE(pair.ours.send("hello", fds));
  auto message = pair.theirs.receive(1000).value().value();
  EXPECT_EQ(message.bytes, "hello");
  ASSERT_TRUE(message.fds.expect(1));
  const Fd fd = message.fds.take(0).value();
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  ASSERT_TRUE(sys::writeAll(fd, "x"));
  char c;
  EXPECT_EQ(::read(pipe.readEnd.get(), &c, 1), 1);
}

TEST(Channel, CarriesTheLargestMessage) {
  Pair pair = makePair();
  const std::string largest(limits::kMessageBytes, 'm');
  const std::vector<FdRef> fds(limits::kMessageDescriptors, FdRef(0));
  ASSERT_TRUE(pair.ours.send(largest, fds));
  const auto message = pair.theirs.receive(1000).value().value();
  EXPECT_EQ(message.bytes, largest);
  EXPECT_TRUE(message.fds.expect(limits::kMessageDescriptors));
}

TEST(Channel, DoesNotSendWhatIsBeyondItsLimits) {
  Pair pair = makePair();
  EXPECT_EQ(codeOf(pair.ours.send(std::string(limits::kMessageBytes + 1, 'm'))), "E_FRAME");
  EXPECT_EQ(codeOf(pair.ours.send("")), "E_FRAME");
  const std::vector<FdRef> fds(limits::kMessageDescriptors + 1, FdRef(0));
  EXPECT_EQ(codeOf(pair.ours.send("m", fds)), "E_FRAME");
}

TEST(Channel, EndsWhenThePeerHasClosed) {
  Pair pair = makePair();
  std::move(pair.theirs).take().reset();
  EXPECT_EQ(pair.ours.receive(1000).value(), std::nullopt);
}

TEST(Channel, AMessageSentBeforeClosingStillArrives) {
  Pair pair = makePair();
  ASSERT_TRUE(pair.theirs.send("last words"));
  std::move(pair.theirs).take().reset();
  EXPECT_EQ(pair.ours.receive(1000).value().value().bytes, "last words");
  EXPECT_EQ(pair.ours.receive(1000).value(), std::nullopt);
}

TEST(Channel, I12_SendingToNobodyIsAnErrorAndNoSignal) {
  Pair pair = makePair();
  std::move(pair.theirs).take().reset();
  EXPECT_EQ(pair.ours.send("x").error().number(), EPIPE);
}

TEST(Channel, TimesOut) {
  Pair pair = makePair();
  EXPECT_EQ(codeOf(pair.ours.receive(10)), "E_TIMEOUT");
  EXPECT_EQ(codeOf(pair.ours.receive(0)), "E_TIMEOUT");
}

TEST(Channel, I03_AMessageOverTheLimitIsRefused) {
  Pair pair = makePair();
  ASSERT_TRUE(sendRaw(pair.theirs.fd(), std::string(limits::kMessageBytes + 1, 'm'), 0));
  EXPECT_EQ(codeOf(pair.ours.receive(1000)), "E_FRAME");
  ASSERT_TRUE(sendRaw(pair.theirs.fd(), std::string(2 * limits::kMessageBytes, 'm'), 0));
  EXPECT_EQ(codeOf(pair.ours.receive(1000)), "E_FRAME");
}

TEST(Channel, I05_TooManyDescriptorsAreRefusedAndClosedTenThousandTimes) {
  Pair pair = makePair();
  const std::size_t before = openDescriptors();
  for (int i = 0; i < 10'000; ++i) {
    // One too many but all received; 253: the kernel cuts the control message (MSG_CTRUNC).
    ASSERT_TRUE(sendRaw(pair.theirs.fd(), "m", i % 2 == 0 ? limits::kMessageDescriptors + 1 : 253));
    ASSERT_EQ(codeOf(pair.ours.receive(1000)), "E_FRAME");
  }
  EXPECT_EQ(openDescriptors(), before);
}

TEST(Channel, I05_UnwantedDescriptorsAreClosedWithTheMessage) {
  Pair pair = makePair();
  const std::size_t before = openDescriptors();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(sendRaw(pair.theirs.fd(), "m", 3));
    const auto message = pair.ours.receive(1000).value().value();
    ASSERT_EQ(codeOf(message.fds.expect(0)), "E_FD");
    ASSERT_EQ(codeOf(message.fds.expect(4)), "E_FD");
  }
  EXPECT_EQ(openDescriptors(), before);
}

TEST(Channel, I05_DescriptorsBeyondTheProcessLimitAreFatalAndClosed) {
  Pair pair = makePair();
  const std::size_t before = openDescriptors();
  ASSERT_TRUE(sendRaw(pair.theirs.fd(), "m", 20));
  rlimit saved;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &saved), 0);
  const rlimit small{.rlim_cur = before + 5, .rlim_max = saved.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  const auto received = pair.ours.receive(1000);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &saved), 0);
  EXPECT_EQ(codeOf(received), "E_FRAME");
  EXPECT_EQ(openDescriptors(), before);
}

TEST(Channel, AnEmptyMessageWithDescriptorsIsRefused) {
  Pair pair = makePair();
  ASSERT_TRUE(sendRaw(pair.theirs.fd(), "", 1));
  EXPECT_EQ(codeOf(pair.ours.receive(1000)), "E_FRAME");
}

TEST(Channel, ForeignControlDataIsRefused) {
  Pair pair = makePair();
  const int on = 1;
  ASSERT_EQ(::setsockopt(pair.ours.fd().get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  ASSERT_TRUE(pair.theirs.send("m"));
  EXPECT_EQ(codeOf(pair.ours.receive(1000)), "E_FRAME");
}

TEST(Channel, WhatThePeerSaidIsHeardThoughItLeftAMessageUnread) {
  Pair pair = makePair();
  ASSERT_TRUE(pair.ours.send("unread"));
  ASSERT_TRUE(pair.theirs.send("answer"));
  { const Channel gone = std::move(pair.theirs); }
  const auto answer = pair.ours.receive(1000);
  ASSERT_TRUE(answer) << answer.error().text();
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->bytes, "answer");
  EXPECT_FALSE(pair.ours.receive(1000).value());
}

TEST(FdTable, EachDescriptorIsTakenOnce) {
  std::vector<Fd> fds;
  fds.push_back(sys::duplicate(FdRef(0)).value());
  FdTable table(std::move(fds));
  EXPECT_TRUE(table.expect(1));
  EXPECT_TRUE(table.take(0));
  EXPECT_EQ(codeOf(table.take(0)), "E_FD");
  EXPECT_EQ(codeOf(table.take(1)), "E_FD");
  EXPECT_EQ(table.size(), 1U);
}

TEST(Peer, I07_IsWhoTheKernelSays) {
  Pair pair = makePair();
  const Peer peer = identifyPeer(pair.ours.fd()).value();
  EXPECT_EQ(peer.pid, ::getpid());
  EXPECT_EQ(peer.uid, ::geteuid());
  EXPECT_EQ(peer.gid, ::getegid());
  const int count = ::getgroups(0, nullptr);
  EXPECT_EQ(peer.groups.size(), static_cast<std::size_t>(count));
  if (peer.pidfd) {
    EXPECT_EQ(::fcntl(peer.pidfd->get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST(Peer, OfWhatIsNoConnectedSocketIsUnknown) {
  auto pipe = sys::pipe().value();
  EXPECT_FALSE(identifyPeer(pipe.readEnd));
  const Fd alone = Fd::own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(identifyPeer(alone));
}

}  // namespace
}  // namespace airlock::ipc
