// SPDX-License-Identifier: Apache-2.0
#include "cli/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace airlock::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The manager's side: a datagram socket with an abstract name.
class NotifierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    manager_ = Fd::own(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // The kernel chooses a name: unix(7), autobind.
    ASSERT_EQ(
        ::bind(manager_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)),
        0);
    socklen_t size = sizeof address;
    ::getsockname(manager_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    name_ = "@" + std::string(address.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
  }
  std::vector<std::string> told() {
    std::vector<std::string> lines;
    char bytes[1024];
    for (;;) {
      const ssize_t got = ::recv(manager_.get(), bytes, sizeof bytes, 0);
      if (got < 0) return lines;
      lines.emplace_back(bytes, static_cast<std::size_t>(got));
    }
  }
  static ipc::LeashEvent says(const std::string& app, std::uint32_t what,
                              const std::string& text = {}) {
    return {.kind = ipc::LeashEvent::Kind::Notify,
            .app = app,
            .status = 0,
            .text = text,
            .notify = what};
  }
  Fd manager_;
  std::string name_;
};

TEST_F(NotifierTest, WithoutAnAppThatNotifiesAPodThatRunsIsReady) {
  Notifier notifier(name_, {});
  notifier.podIsReady();
  notifier.podIsReady();
  EXPECT_THAT(told(), ElementsAre("READY=1"));
}

TEST_F(NotifierTest, APodIsReadyWhenAllAppsThatNotifyAre) {
  Notifier notifier(name_, {"a", "b"});
  notifier.podIsReady();
  notifier.appSays(says("a", ipc::kNotifyReady));
  notifier.appSays(says("other", ipc::kNotifyReady));
  EXPECT_THAT(told(), IsEmpty());
  notifier.appSays(says("b", ipc::kNotifyReady));
  notifier.appSays(says("b", ipc::kNotifyReady));
  EXPECT_THAT(told(), ElementsAre("READY=1"));
}

TEST_F(NotifierTest, AReloadIsToldAndItsEndToo) {
  Notifier notifier(name_, {"a"});
  notifier.podIsReady();
  notifier.appSays(says("a", ipc::kNotifyReady));
  notifier.appSays(says("a", ipc::kNotifyReloading));
  notifier.appSays(says("a", ipc::kNotifyReady));
  EXPECT_THAT(told(), ElementsAre("READY=1", "RELOADING=1", "READY=1"));
}

TEST_F(NotifierTest, APodIsAliveWhenAllAppsThatNotifyHaveSaidSo) {
  Notifier notifier(name_, {"a", "b"});
  notifier.appSays(says("a", ipc::kNotifyWatchdog));
  notifier.appSays(says("a", ipc::kNotifyWatchdog));
  EXPECT_THAT(told(), IsEmpty());
  notifier.appSays(says("b", ipc::kNotifyWatchdog));
  notifier.appSays(says("b", ipc::kNotifyWatchdog));
  EXPECT_THAT(told(), ElementsAre("WATCHDOG=1"));
}

TEST_F(NotifierTest, AStopIsToldOnceAndNothingIsReadyAfterIt) {
  Notifier notifier(name_, {"a"});
  notifier.podIsReady();
  notifier.podStops();
  notifier.podStops();
  notifier.appSays(says("a", ipc::kNotifyReady));
  EXPECT_THAT(told(), ElementsAre("STOPPING=1"));
}

TEST_F(NotifierTest, H15_AStatusStaysOneLineWhateverThePodSays) {
  Notifier notifier(name_, {"a", "b"});
  notifier.appSays(says("a", ipc::kNotifyStatus, "up\nMAINPID=1\x1b"));
  EXPECT_THAT(told(), ElementsAre("STATUS=a: up?MAINPID=1?"));
}

TEST_F(NotifierTest, NobodyIsToldWhereThereIsNoManager) {
  for (const char* name : {"", "relative", "vsock:2:1", "/nonexistent/notify"}) {
    Notifier notifier(name, {});
    notifier.podIsReady();
    notifier.podStops();
  }
}

}  // namespace
}  // namespace airlock::cli
