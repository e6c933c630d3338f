// SPDX-License-Identifier: Apache-2.0
#include "sandbox/seccomp.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "sandbox/call_set.h"
#include "sandbox/child_for_test.h"
#include "sandbox/policies/authenticate.bpf.h"
#include "sandbox/policies/check.bpf.h"
#include "sandbox/policies/fetch.bpf.h"
#include "sandbox/policies/inflate.bpf.h"
#include "sandbox/policies/measure.bpf.h"
#include "sandbox/policies/pod.bpf.h"
#include "sandbox/policies/unpack.bpf.h"

namespace airlock::sandbox {
namespace {

constexpr std::span<const sock_filter> kAll[] = {
    policies::kAuthenticate, policies::kCheck,  policies::kFetch, policies::kInflate,
    policies::kMeasure,      policies::kUnpack, policies::kPod};

seccomp_data callOf(int number, std::uint64_t argument = 0) {
  return {.nr = number,
          .arch = seccomp_arch_native(),
          .instruction_pointer = 0,
          .args = {argument, argument, argument, argument, argument, argument}};
}

std::string actionText(std::optional<std::uint32_t> action) {
  if (!action) return "broken";
  switch (*action & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
      return "allow";
    case SECCOMP_RET_KILL_PROCESS:
      return "kill";
    default:
      return strerrorname_np(static_cast<int>(*action & SECCOMP_RET_DATA));
  }
}

// One line for a call, or for a run of numbers without a name.  Calls whose arguments matter show
// two answers: all arguments 0, and all bits set.
std::string describe(std::span<const sock_filter> filter) {
  std::ostringstream out;
  std::string run;
  for (int number = 0; number < 1024; ++number) {
    const std::string zeros = actionText(simulate(filter, callOf(number)));
    const std::string ones = actionText(simulate(filter, callOf(number, ~0ULL)));
    const std::string answer = zeros == ones ? zeros : zeros + " | " + ones;
    const std::unique_ptr<char, decltype(&std::free)> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &std::free);
    if (name) {
      out << number << " " << name.get() << ": " << answer << "\n";
      run.clear();
    } else if (run != answer) {
      out << number << "...: " << answer << "\n";
      run = answer;
    }
  }
  return out.str();
}

TEST(Seccomp, K05_ThePodFilterIsTheOneThatWasReviewed) {
  const std::string path = AIRLOCK_SOURCE_DIR "/sandbox/policies/pod.golden";
  const std::string actual = describe(policies::kPod);
  if (std::getenv("AIRLOCK_WRITE_GOLDEN") != nullptr) std::ofstream(path) << actual;
  std::ifstream file(path);
  const std::string golden(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(actual, golden) << "rewrite with AIRLOCK_WRITE_GOLDEN=1, and review the difference";
}

TEST(Seccomp, K01_EveryFilterKillsOtherArchitectures) {
  for (const std::span<const sock_filter> filter : kAll) {
    for (const unsigned architecture :
         {unsigned{AUDIT_ARCH_I386}, unsigned{AUDIT_ARCH_ARM}, 0U, ~0U}) {
      seccomp_data call = callOf(SYS_getpid);
      call.arch = architecture;
      EXPECT_EQ(simulate(filter, call), SECCOMP_RET_KILL_PROCESS);
    }
  }
}

#ifdef __x86_64__
TEST(Seccomp, K02_EveryFilterKillsX32) {
  for (const std::span<const sock_filter> filter : kAll) {
    EXPECT_EQ(simulate(filter, callOf(0x40000000 | SYS_getpid)), SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(simulate(filter, callOf(-1)), SECCOMP_RET_KILL_PROCESS);
  }
}
#endif

TEST(Seccomp, OwnProcessesAreKilledByEverythingUnknown) {
  for (const std::span<const sock_filter> filter : std::span(kAll).first(6)) {
    for (int number = 430; number < 2000; ++number) {
      if (number == SYS_clone3 || number == SYS_close_range || number == SYS_openat2 ||
          number == SYS_faccessat2) {
        continue;
      }
      EXPECT_EQ(simulate(filter, callOf(number)), SECCOMP_RET_KILL_PROCESS) << number;
    }
  }
}

TEST(Seccomp, AProgramTheKernelWouldRefuseIsNotSimulated) {
  constexpr sock_filter kNoReturn[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}};
  constexpr sock_filter kFarJump[] = {{BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 0},
                                      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  constexpr sock_filter kUnaligned[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 3},
                                        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  for (const std::span<const sock_filter> filter :
       {std::span<const sock_filter>(kNoReturn), std::span<const sock_filter>(kFarJump),
        std::span<const sock_filter>(kUnaligned), std::span<const sock_filter>()}) {
    EXPECT_EQ(simulate(filter, callOf(0)), std::nullopt);
  }
}

TEST(CallSet, RemovedCallsAnswerAsAsked) {
  const auto filter =
      removeCalls(std::vector<std::string>{"chmod", "no_such_call"}, SECCOMP_RET_ERRNO | EACCES);
  ASSERT_TRUE(filter);
  EXPECT_EQ(simulate(*filter, callOf(SYS_chmod)), SECCOMP_RET_ERRNO | EACCES);
  EXPECT_EQ(simulate(*filter, callOf(SYS_read)), SECCOMP_RET_ALLOW);
}

TEST(CallSet, OnlyRetainedCallsAndTheStartAndEndStay) {
  const auto filter = retainCalls(std::vector<std::string>{"read"}, SECCOMP_RET_KILL_PROCESS);
  ASSERT_TRUE(filter);
  for (const int number : {SYS_read, SYS_execve, SYS_exit_group, SYS_clone3, 1000}) {
    EXPECT_EQ(simulate(*filter, callOf(number)), SECCOMP_RET_ALLOW) << number;
  }
  for (const int number : {SYS_write, SYS_mount, /* mseal */ 462}) {
    EXPECT_EQ(simulate(*filter, callOf(number)), SECCOMP_RET_KILL_PROCESS);
  }
}

TEST(CallSet, AnImageCannotAddACallToThePod) {
  const ExitStatus status = inChild([] {
    const auto filter = retainCalls(
        std::vector<std::string>{"unshare", "mmap", "munmap", "madvise", "futex", "sigaltstack"},
        SECCOMP_RET_ERRNO | EACCES);
    if (!filter || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
    if (!installFilterRaw(policies::kPod, std::size(policies::kPod))) return 2;
    if (!installFilterRaw(filter->data(), static_cast<unsigned short>(filter->size()))) return 3;
    if (errorOf(::syscall(SYS_unshare, 0)) != EPERM) return 4;
    if (errorOf(::syscall(SYS_clone3, 0, 0)) != ENOSYS) return 5;
    if (errorOf(::syscall(SYS_chmod, "/nonexistent/x", 0)) != EACCES) return 6;
    return 0;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(CallSet, AnAnswerOfSuccessIsRefused) {
  for (const std::uint32_t action : {std::uint32_t{SECCOMP_RET_ERRNO}, SECCOMP_RET_ALLOW,
                                     SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ERRNO | 5000U}) {
    EXPECT_FALSE(removeCalls({}, action)) << action;
  }
}

TEST(Seccomp, AFilterNeedsNoNewPrivileges) {
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) GTEST_SKIP() << "no_new_privs is set already";
  EXPECT_TRUE(inChild([] {
                const Result<void> installed = installFilter(policies::kPod);
                return !installed && installed.error().kind() == ErrorKind::Denied ? 0 : 1;
              }).clean());
}

}  // namespace
}  // namespace airlock::sandbox
