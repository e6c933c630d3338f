// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::stage1 {
namespace {

Notification read(std::string_view datagram) {
  Notification result;
  readNotification(datagram, result);
  return result;
}

TEST(Notification, OnlyWhatAnAppMaySayCounts) {
  EXPECT_EQ(read("READY=1").said, ipc::kNotifyReady);
  EXPECT_EQ(read("READY=1\nSTATUS=up\nWATCHDOG=1\n").said,
            ipc::kNotifyReady | ipc::kNotifyStatus | ipc::kNotifyWatchdog);
  for (const char* other :
       {"MAINPID=1", "READY=0", "READY=1 ", "ready=1", "FDSTORE=1", "ERRNO=2", "BUSERROR=x",
        "WATCHDOG=trigger", "EXTEND_TIMEOUT_USEC=9", "", "\n\n"}) {
    EXPECT_EQ(read(other).said, 0U) << other;
  }
}

TEST(Notification, ReloadingTakesReadyBackAndReadyEndsIt) {
  EXPECT_EQ(read("READY=1\nRELOADING=1").said, ipc::kNotifyReloading);
  EXPECT_EQ(read("RELOADING=1\nREADY=1").said, ipc::kNotifyReady);
}

TEST(Notification, H15_AStatusIsPrintableAndBounded) {
  EXPECT_EQ(read("STATUS=a\x1b[31mb").status.find('\x1b'), std::string::npos);
  EXPECT_EQ(read("STATUS=" + std::string(4000, 'x')).status.size(), limits::kNotifyStatusBytes);
}

class NotifySocket : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/airlock-notify-XXXXXX";
    path_ = ::mkdtemp(name);
    directory_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
    socket_ = makeNotifySocket(directory_).value();
  }
  void TearDown() override {
    ::unlink((path_ + "/notify").c_str());
    ::rmdir(path_.c_str());
  }
  // With a descriptor when `fd` is one.
  void send(const std::string& text, int fd = -1) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, (path_ + "/notify").c_str());
    Fd sender = Fd::own(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (fd >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      *header = {
          .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
      std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    ASSERT_GE(::sendmsg(sender.get(), &message, 0), 0);
  }
  std::uint32_t received() {
    Notification result;
    receiveNotifications(socket_, ::getpid(), result);
    return result.said;
  }
  static int openDescriptors() {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
  }
  std::string path_;
  Fd directory_;
  Fd socket_;
};

TEST_F(NotifySocket, TheAppItselfIsHeard) {
  send("READY=1");
  EXPECT_EQ(received(), ipc::kNotifyReady);
  EXPECT_EQ(received(), 0U);
}

TEST_F(NotifySocket, R13_AnotherProcessIsNot) {
  const pid_t other = ::fork();
  if (other == 0) {
    send("READY=1");
    ::_exit(0);
  }
  ::waitpid(other, nullptr, 0);
  EXPECT_EQ(received(), 0U);
}

TEST_F(NotifySocket, R13_DescriptorsAreNotTaken) {
  const int before = openDescriptors();
  send("READY=1\nFDSTORE=1", 0);
  EXPECT_EQ(received(), 0U);
  EXPECT_EQ(openDescriptors(), before);
}

TEST_F(NotifySocket, R13_ADatagramThatIsTooLargeIsNothing) {
  send("READY=1\n" + std::string(limits::kNotifyBytes, 'x'));
  send("WATCHDOG=1\n" + std::string(limits::kNotifyBytes - 11, 'x'));
  EXPECT_EQ(received(), ipc::kNotifyWatchdog);
}

}  // namespace
}  // namespace airlock::stage1
