// SPDX-License-Identifier: Apache-2.0
// airlock-systemd with a real bus, in a mount namespace of its own: what it does before and after
// it is confined.  What it has systemd do is shown in the guest (tests/guest/systemd_test.cc).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <regex>

#include "base/process.h"
#include "base/syscall.h"
#include "ipc/channel.h"
#include "ipc/systemd_messages.h"
#include "tests/support/shell.h"

namespace airlock::test {
namespace {

constexpr char kBus[] = R"(<busconfig><type>system</type>
<listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow receive_requested_reply="true"/>
</policy></busconfig>)";

class SystemdProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    for (const char* tool : {"/usr/bin/dbus-daemon", "/usr/bin/strace", "/usr/bin/unshare"}) {
      if (::access(tool, X_OK) != 0) GTEST_SKIP() << "needs " << tool;
    }
    std::ofstream((scratch_ / "bus.conf")) << kBus;
  }

  // Sends `message` to a program that has a bus, or none, and returns its answer.
  std::optional<ipc::Message> ask(const std::string& message, bool withBus) {
    auto pair = sys::socketPair().value();
    ipc::Channel channel(std::move(pair.first));
    channel.send(message).value();
    const std::string script =
        "mount -t tmpfs tmpfs /run && mkdir /run/dbus && " +
        std::string(withBus ? "{ dbus-daemon --nofork --config-file=" + (scratch_ / "bus.conf") +
                                  " 3<&- & } && while [ ! -S /run/dbus/system_bus_socket ]; do "
                                  "sleep 0.05; done && "
                            : "") +
        "strace -f -o " + (scratch_ / "trace") +
        " " AIRLOCK_BINARY_DIR
        "/libexec/airlock/airlock-systemd; status=$?; kill $! 2>/dev/null; exit $status";
    const Fd unshare = sys::openPath("/usr/bin/unshare", O_RDONLY).value();
    Child child =
        spawn({.executable = unshare,
               .arguments = {"unshare", "--mount", "--propagation", "private", "sh", "-c", script},
               .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
               .descriptors = {{pair.second, 3}, {FdRef(STDERR_FILENO), STDERR_FILENO}},
               .identity = {},
               .limits = {},
               .noNewPrivileges = false,
               .dieWithParent = true})
            .value();
    pair.second.reset();
    auto answer = channel.receive(30'000);
    static_cast<void>(child.wait());
    trace_ = readFile((scratch_ / "trace"));
    if (!answer) return std::nullopt;
    return *std::move(answer);
  }
  static std::string job() { return ipc::encode(ipc::SystemdJob{PodId::random(), 1, 1}).value(); }
  // What it did once the filter was in force.
  std::string afterTheFilter() const {
    const auto at = trace_.find("SECCOMP_SET_MODE_FILTER");
    return at == trace_.npos ? "not confined" : trace_.substr(trace_.find('\n', at));
  }

  Scratch scratch_;
  std::string trace_;
};

TEST_F(SystemdProcess, IsConfinedBeforeItReadsAnything) {
  ASSERT_TRUE(ask("no message at all", true)) << trace_;
  const auto filter = trace_.find("SECCOMP_SET_MODE_FILTER");
  const auto message = trace_.find("recvmsg(3");
  ASSERT_NE(filter, trace_.npos) << trace_;
  ASSERT_NE(message, trace_.npos) << trace_;
  EXPECT_LT(filter, message) << trace_;
  // Nothing was said on the bus and nothing heard, either.
  EXPECT_FALSE(std::regex_search(
      trace_.substr(0, filter), std::regex("(send|recv)(msg|from|to)|writev|execve\\(.*execve\\(")))
      << trace_;
}

TEST_F(SystemdProcess, SpeaksToTheBusWithoutFilesSocketsAndProcesses) {
  const auto answer = ask(job(), true);
  ASSERT_TRUE(answer) << trace_;
  const auto reply = ipc::decodeSystemdReply(answer->bytes);
  ASSERT_TRUE(reply) << trace_;
  // This bus has no systemd on it; that it says so has come over the bus.
  const auto* failure = std::get_if<ipc::Failure>(&*reply);
  ASSERT_NE(failure, nullptr);
  EXPECT_TRUE(failure->error.text().contains("org.freedesktop.systemd1")) << failure->error.text();
  const std::string calls = afterTheFilter();
  EXPECT_TRUE(calls.contains("sendmsg")) << calls;
  EXPECT_FALSE(
      std::regex_search(calls, std::regex("open|socket\\(|connect\\(|exec|clone|fork|kill\\(")))
      << calls;
}

TEST_F(SystemdProcess, HasRootsNumberAndNoCapability) {
  ASSERT_TRUE(ask(job(), true)) << trace_;
  EXPECT_TRUE(
      std::regex_search(trace_, std::regex("capset\\(.*effective=0, permitted=0, inheritable=0")))
      << trace_;
  EXPECT_FALSE(std::regex_search(trace_, std::regex("set(res|re)?[ug]id\\("))) << trace_;
}

TEST_F(SystemdProcess, WithoutABusItSaysSo) {
  const auto answer = ask(job(), false);
  ASSERT_TRUE(answer) << trace_;
  const auto reply = ipc::decodeSystemdReply(answer->bytes);
  ASSERT_TRUE(reply);
  const auto* failure = std::get_if<ipc::Failure>(&*reply);
  ASSERT_NE(failure, nullptr);
  EXPECT_TRUE(failure->error.text().contains("connect to the system bus")) << failure->error.text();
}

// docs/boundaries.md has these numbers, and why the helper's is not lower.
TEST(Units, AreAsTightAsRecorded) {
  if (::access("/usr/bin/systemd-analyze", X_OK) != 0) GTEST_SKIP() << "needs systemd-analyze";
  const Scratch scratch;
  must("cp " AIRLOCK_BINARY_DIR "/packaging/systemd/airlock-gc.service " + scratch.path());
  must("cp " AIRLOCK_BINARY_DIR "/packaging/systemd/airlock-helper@.service " +
       (scratch / "airlock-helper@x.service"));
  for (const char* unit :
       {"--threshold=82 airlock-helper@x.service", "--threshold=34 airlock-gc.service"}) {
    const Outcome outcome = shell("cd " + scratch.path() +
                                  " && systemd-analyze security --offline=yes --no-pager " + unit);
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  }
}

}  // namespace
}  // namespace airlock::test
