// SPDX-License-Identifier: Apache-2.0
// What each role cannot do, tried from inside its own confinement by verify_probe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "verifier/role_for_test.h"

namespace airlock::verifier {
namespace {

constexpr int kMilliseconds = 30'000;

// "done", the name of an errno, or "killed".
std::string outcome(const std::string& role, const std::string& attempt, Starter starter) {
  auto started = startRole("libexec/airlock/verify_probe", role + ":" + attempt, starter);
  if (!started) return started.error().text();
  const auto message = started->channel.receive(kMilliseconds);
  const auto status = started->child.wait();
  if (!status) return status.error().text();
  if (status->signal == SIGSYS) return "killed";
  if (!message || !*message) return status->text();
  return (**message).bytes;
}

class Confinement : public ::testing::TestWithParam<Starter> {
 protected:
  void SetUp() override {
    if (GetParam() == Starter::Root && ::geteuid() != 0) GTEST_SKIP() << "needs root (another uid)";
  }
};
INSTANTIATE_TEST_SUITE_P(Starters, Confinement, ::testing::Values(Starter::Root, Starter::User),
                         [](const auto& one) {
                           return std::string(one.param == Starter::Root ? "Root" : "User");
                         });

TEST_P(Confinement, RolesThatParseImagesCanDoNothingButCompute) {
  for (const char* role : {"inflate", "unpack", "check", "extract", "describe"}) {
    for (const char* attempt :
         {"open-passwd", "open-proc", "open-null", "create-file", "connect-inet", "socket-netlink",
          "exec-shell", "fork", "ptrace-parent", "mount", "unshare", "clone-namespace",
          "kill-everyone", "writable-code", "bpf", "io-uring", "keyctl"}) {
      EXPECT_EQ(outcome(role, attempt, GetParam()), "killed") << role << " " << attempt;
    }
  }
}

TEST_P(Confinement, RolesThatRunGpgReachNothingOfTheHost) {
  for (const char* role : {"authenticate", "inspect-key"}) {
    EXPECT_EQ(outcome(role, "open-null", GetParam()), "done");
    // The private root has neither.
    EXPECT_THAT(outcome(role, "open-passwd", GetParam()), ::testing::AnyOf("ENOENT", "EACCES"));
    EXPECT_THAT(outcome(role, "open-proc", GetParam()), ::testing::AnyOf("ENOENT", "EACCES"));
    EXPECT_THAT(outcome(role, "exec-shell", GetParam()), ::testing::AnyOf("ENOENT", "EACCES"));
    EXPECT_EQ(outcome(role, "create-file", GetParam()), "EACCES");
    EXPECT_THAT(outcome(role, "write-library", GetParam()), ::testing::AnyOf("EROFS", "EACCES"));
    EXPECT_EQ(outcome(role, "connect-inet", GetParam()), "EAFNOSUPPORT");
    EXPECT_EQ(outcome(role, "socket-netlink", GetParam()), "EAFNOSUPPORT");
    EXPECT_EQ(outcome(role, "socket-vsock", GetParam()), "EAFNOSUPPORT");
    EXPECT_EQ(outcome(role, "kill-everyone", GetParam()),
              "ESRCH");  // nobody else is in the pid namespace
    for (const char* attempt :
         {"ptrace-parent", "mount", "unshare", "clone-namespace", "bpf", "io-uring", "keyctl"}) {
      EXPECT_EQ(outcome(role, attempt, GetParam()), "killed") << role << " " << attempt;
    }
  }
}

}  // namespace
}  // namespace airlock::verifier
