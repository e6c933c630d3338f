// SPDX-License-Identifier: Apache-2.0
#include "ipc/inet_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace airlock::ipc {
namespace {

Fd open(int family, int type) { return Fd::own(::socket(family, type | SOCK_CLOEXEC, 0)); }
void bindToLoopback(const Fd& fd) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

TEST(InetSocket, R13_AStreamServesWhenItListens) {
  const Fd fd = open(AF_INET, SOCK_STREAM);
  EXPECT_FALSE(inetSocketOf(fd)->serves);
  bindToLoopback(fd);
  EXPECT_FALSE(inetSocketOf(fd)->serves);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_TRUE(inetSocketOf(fd)->serves);
  EXPECT_NE(inetSocketOf(fd)->port, 0);
  EXPECT_FALSE(inetSocketOf(fd)->datagram);
}

TEST(InetSocket, R13_ADatagramSocketServesWhenItIsBound) {
  const Fd fd = open(AF_INET, SOCK_DGRAM);
  EXPECT_FALSE(inetSocketOf(fd)->serves);
  bindToLoopback(fd);
  EXPECT_TRUE(inetSocketOf(fd)->serves);
  EXPECT_TRUE(inetSocketOf(fd)->datagram);
}

TEST(InetSocket, R13_ASocketMustBeWhatItsSpecSays) {
  const Fd fd = open(AF_INET, SOCK_STREAM);
  bindToLoopback(fd);
  SocketSpec spec{.port = AppName::parse("http").value(), .number = inetSocketOf(fd)->port};
  EXPECT_FALSE(checkSocket(fd, spec)) << "it does not listen";
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_TRUE(checkSocket(fd, spec));
  spec.datagram = true;
  EXPECT_FALSE(checkSocket(fd, spec));
  spec.datagram = false;
  ++spec.number;
  EXPECT_EQ(checkSocket(fd, spec).error().code(), "E_FD");
}

TEST(InetSocket, R13_NothingElseIsOne) {
  EXPECT_FALSE(inetSocketOf(open(AF_UNIX, SOCK_STREAM)));
  EXPECT_FALSE(inetSocketOf(Fd::own(::open("/dev/null", O_RDWR | O_CLOEXEC))));
  EXPECT_FALSE(inetSocketOf(FdRef(-1)));
}

}  // namespace
}  // namespace airlock::ipc
