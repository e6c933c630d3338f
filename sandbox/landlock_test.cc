// SPDX-License-Identifier: Apache-2.0
#include "sandbox/landlock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "sandbox/call_set.h"
#include "sandbox/child_for_test.h"
#include "sandbox/confine.h"
#include "sandbox/credentials.h"
#include "sandbox/listener_for_test.h"
#include "sandbox/policies/unpack.bpf.h"
#include "sandbox/seccomp.h"

namespace airlock::sandbox {
namespace {

constexpr int kNotRestricted = 99;

ExitStatus restricted(int abi, bool allowTcp, const std::function<int()>& body) {
  return inChild([&] {
    if (!setNoNewPrivileges() || !restrictAsAbi(abi, {}, allowTcp)) return kNotRestricted;
    return body();
  });
}

TEST(Landlock, EveryAbiTakesTheWholeFileSystem) {
  for (int abi = 1; abi <= landlockAbi(); ++abi) {
    const ExitStatus status = restricted(abi, true, [] {
      if (::open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) return 1;
      if (::open("/", O_RDONLY | O_DIRECTORY) >= 0 || errno != EACCES) return 2;
      if (::open("/tmp/airlock-landlock", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EACCES)
        return 3;
      return ::execl("/bin/true", "true", nullptr) < 0 && errno == EACCES ? 0 : 4;
    });
    EXPECT_TRUE(status.clean()) << abi << ": " << status.text();
  }
}

TEST(Landlock, SaysWhatEachAbiCovers) {
  for (int abi = 1; abi <= landlockAbi(); ++abi) {
    const ExitStatus status = inChild([abi] {
      if (!setNoNewPrivileges()) return 1;
      const Result<LandlockState> state = restrictAsAbi(abi, {}, false);
      if (!state || state->abi != abi || !state->files) return 2;
      if (state->truncate != (abi >= 3) || state->tcp != (abi >= 4)) return 3;
      return state->devices == (abi >= 5) && state->scoped == (abi >= 6) ? 0 : 4;
    });
    EXPECT_TRUE(status.clean()) << abi << ": " << status.text();
  }
}

TEST(Landlock, AKernelWithoutItIsReportedAndNoError) {
  const ExitStatus status = inChild([] {
    const auto absent = removeCalls(std::vector<std::string>{"landlock_create_ruleset"},
                                    SECCOMP_RET_ERRNO | ENOSYS);
    if (!absent || !setNoNewPrivileges() || !installFilter(*absent)) return 1;
    const Result<Enforced> enforced = enter({.filter = policies::kUnpack});
    if (!enforced || !enforced->seccomp) return 2;
    return enforced->landlockAbi == 0 && !enforced->landlock.files ? 0 : 3;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Landlock, AMissingPathIsAnErrorUnlessOptional) {
  if (landlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const ExitStatus status = inChild([] {
    if (!setNoNewPrivileges()) return 1;
    const PathAccess needed[] = {{.path = "/nonexistent"}};
    if (restrictTo(needed, true)) return 2;
    const PathAccess wanted[] = {{.path = "/nonexistent", .optional = true}};
    return restrictTo(wanted, true) ? 0 : 3;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Landlock, ADescriptorGrantsWhatIsBelowIt) {
  if (landlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const ExitStatus status = inChild([] {
    const int directory = ::open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const PathAccess paths[] = {{.path = {}, .descriptor = directory, .access = kReadFile}};
    if (!setNoNewPrivileges() || !restrictTo(paths, true)) return 1;
    if (::open("/etc/passwd", O_RDONLY) < 0) return 2;
    return ::open("/etc", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES ? 0 : 3;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Landlock, WithoutNetworkLandlockRefusesTcp) {
  if (landlockAbi() < 4) GTEST_SKIP() << "this kernel's Landlock does not cover TCP";
  const Listener listener;
  EXPECT_EQ(restricted(4, false, [&] { return listener.connectTo(); }).code, EACCES);
}

TEST(Landlock, ScopesKeepAbstractSocketsOutsideUnreachable) {
  if (landlockAbi() < 6) GTEST_SKIP() << "this kernel's Landlock has no scopes";
  const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct {
    sa_family_t family = AF_UNIX;
    char name[108] = {};
  } address;
  ASSERT_EQ(::bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address.family), 0);
  socklen_t length = sizeof address;
  ASSERT_EQ(::getsockname(server, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ASSERT_EQ(::listen(server, 1), 0);
  const ExitStatus status = restricted(6, false, [&] {
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return errorOf(::connect(client, reinterpret_cast<sockaddr*>(&address), length));
  });
  EXPECT_EQ(status.code, EPERM) << status.text();
  ::close(server);
}

}  // namespace
}  // namespace airlock::sandbox
