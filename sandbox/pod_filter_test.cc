// SPDX-License-Identifier: Apache-2.0
// What an app in a pod meets, tried for real under policies/pod.policy.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <thread>

#include "sandbox/child_for_test.h"
#include "sandbox/credentials.h"
#include "sandbox/policies/pod.bpf.h"
#include "sandbox/seccomp.h"

namespace airlock::sandbox {
namespace {

ExitStatus inPod(const std::function<int()>& body) {
  return inChild([&] {
    if (!setNoNewPrivileges() || !installFilter(policies::kPod)) return 99;
    return body();
  });
}

int errorInPod(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  const ExitStatus status = inPod([=] { return errorOf(::syscall(number, a, b, c, d, e)); });
  return status.signal != 0 ? -status.signal : status.code;
}

#ifdef __x86_64__
TEST(PodFilter, K01_ThirtyTwoBitCallsKill) {
  const ExitStatus status = inPod([] {
    long result = 20;  // getpid of i386
    asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return 0;
  });
  EXPECT_EQ(status.signal, SIGSYS) << status.text();
}

TEST(PodFilter, K02_X32CallsAndMinusOneKill) {
  EXPECT_EQ(errorInPod(0x40000000 | SYS_getpid), -SIGSYS);
  EXPECT_EQ(errorInPod(0x40000000), -SIGSYS);
  EXPECT_EQ(errorInPod(0x7FFFFFFF), -SIGSYS);
  EXPECT_EQ(errorInPod(-1), -SIGSYS);
}
#endif

TEST(PodFilter, K03_TerminalInjectionIsRefusedWhateverTheHighBits) {
  for (const unsigned long request : {0x5412UL, 0x541CUL, 0x5423UL}) {
    for (const unsigned long high : {0UL, 1UL << 32, 0xFFFFFFFFUL << 32}) {
      EXPECT_EQ(errorInPod(SYS_ioctl, 0, static_cast<long>(request | high)), EPERM) << request;
    }
  }
  EXPECT_NE(errorInPod(SYS_ioctl, -1, FIONREAD), EPERM);
}

TEST(PodFilter, K04_NoNamespaces) {
  EXPECT_EQ(errorInPod(SYS_clone3, 0, 0), ENOSYS);
  EXPECT_EQ(errorInPod(SYS_unshare, CLONE_NEWUSER), EPERM);
  EXPECT_EQ(errorInPod(SYS_unshare, 0), EPERM);
  EXPECT_EQ(errorInPod(SYS_setns, 0, 0), EPERM);
  for (const long flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUTS,
                          CLONE_NEWIPC, CLONE_NEWCGROUP}) {
    EXPECT_EQ(errorInPod(SYS_clone, flag | SIGCHLD), EPERM) << flag;
    EXPECT_EQ(errorInPod(SYS_clone, flag | SIGCHLD | (1L << 32)), EPERM) << flag;
  }
}

TEST(PodFilter, ThreadsAndProcessesWork) {
  const ExitStatus status = inPod([] {
    int answer = 0;
    std::thread([&] { answer = 42; }).join();
    const pid_t pid = ::fork();
    if (pid == 0) ::execl("/bin/true", "true", nullptr);
    int result = -1;
    if (::waitpid(pid, &result, 0) != pid) return 1;
    return answer == 42 && result == 0 ? 0 : 2;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(PodFilter, K05_UnknownCallsAnswerEnosys) {
  for (const long number : {470L, 500L, 1000L, 1023L, 0x3FFFFFFFL}) {
    EXPECT_EQ(errorInPod(number), ENOSYS) << number;
  }
}

TEST(PodFilter, K06_NoIoUring) {
  EXPECT_EQ(errorInPod(SYS_io_uring_setup, 1), EPERM);
  EXPECT_EQ(errorInPod(SYS_io_uring_enter), EPERM);
  EXPECT_EQ(errorInPod(SYS_io_uring_register), EPERM);
}

TEST(PodFilter, K07_NoKeyrings) {
  EXPECT_EQ(errorInPod(SYS_keyctl), EPERM);
  EXPECT_EQ(errorInPod(SYS_add_key), EPERM);
  EXPECT_EQ(errorInPod(SYS_request_key), EPERM);
}

TEST(PodFilter, K08_NothingThatReachesIntoTheKernel) {
  for (const long number : {SYS_bpf,           SYS_perf_event_open, SYS_userfaultfd,
                            SYS_kexec_load,    SYS_kexec_file_load, SYS_init_module,
                            SYS_finit_module,  SYS_delete_module,   SYS_iopl,
                            SYS_ioperm,        SYS_swapon,          SYS_swapoff,
                            SYS_acct,          SYS_quotactl,        SYS_quotactl_fd,
                            SYS_syslog,        SYS_lookup_dcookie,  SYS_nfsservctl,
                            SYS_reboot,        SYS_settimeofday,    SYS_clock_settime,
                            SYS_adjtimex,      SYS_clock_adjtime,   SYS_sethostname,
                            SYS_setdomainname, SYS_vhangup,         SYS_memfd_secret,
                            SYS_fanotify_init, SYS_modify_ldt}) {
    EXPECT_EQ(errorInPod(number), EPERM) << number;
  }
}

TEST(PodFilter, K09_OnlyHarmlessPersonalities) {
  for (const long value : {0x0L, 0x8L, 0x20000L, 0x20008L, 0xFFFFFFFFL}) {
    EXPECT_EQ(errorInPod(SYS_personality, value), 0) << value;
  }
  for (const long value : {0x400000L, 0x40000L, 0x440000L, 0x400008L}) {
    EXPECT_EQ(errorInPod(SYS_personality, value), EPERM) << value;
  }
}

TEST(PodFilter, K10_OnlyOrdinarySocketFamilies) {
  for (const long family : {AF_UNIX, AF_INET}) {
    EXPECT_EQ(errorInPod(SYS_socket, family, SOCK_STREAM), 0) << family;
  }
  EXPECT_EQ(errorInPod(SYS_socket, AF_NETLINK, SOCK_RAW, 0), 0);
  for (long family = 0; family < 64; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) {
      continue;
    }
    EXPECT_EQ(errorInPod(SYS_socket, family, SOCK_SEQPACKET), EPERM) << family;
    EXPECT_EQ(errorInPod(SYS_socket, family | (1L << 32), SOCK_SEQPACKET), EPERM) << family;
    EXPECT_EQ(errorInPod(SYS_socketpair, family, SOCK_STREAM), EPERM) << family;
  }
  for (long protocol = 1; protocol < 24; ++protocol) {
    EXPECT_EQ(errorInPod(SYS_socket, AF_NETLINK, SOCK_RAW, protocol), EPERM) << protocol;
  }
}

TEST(PodFilter, K11_OtherProcessesAreOutOfReach) {
  for (const long number : {SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
                            SYS_pidfd_getfd, SYS_kcmp, SYS_process_madvise}) {
    EXPECT_EQ(errorInPod(number), EPERM) << number;
  }
}

TEST(PodFilter, K12_MountsStayAsTheyAre) {
  for (const long number :
       {SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_mount, SYS_umount2, SYS_pivot_root,
        SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
        SYS_mount_setattr, SYS_chroot, /* open_tree_attr */ 467}) {
    EXPECT_EQ(errorInPod(number), EPERM) << number;
  }
}

TEST(PodFilter, K13_StricterFiltersStackButNoListener) {
  const ExitStatus status = inPod([] {
    constexpr sock_filter kAllow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog program{1, const_cast<sock_filter*>(kAllow)};
    for (const unsigned long high : {0UL, 1UL << 32}) {
      if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | high,
                    &program) >= 0 ||
          errno != EPERM) {
        return 1;
      }
    }
    if (!installFilterRaw(kAllow, 1)) return 2;
    return errorOf(::syscall(SYS_unshare, 0)) == EPERM ? 0 : 3;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(PodFilter, APlainShellRuns) {
  const ExitStatus status = inPod([] {
    ::execl("/bin/sh", "sh", "-c", "ls / | sort >/dev/null && test -d /tmp", nullptr);
    return 127;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

}  // namespace
}  // namespace airlock::sandbox
