// SPDX-License-Identifier: Apache-2.0
// What an app is and may do once it runs: identity, capabilities, system calls, descriptors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Confinement : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
};

PodRequest asUser(const std::string& user, const std::string& group, const std::string& script) {
  PodRequest request = shellPod(script);
  request.spec.apps[0].user = user;
  request.spec.apps[0].group = group;
  return request;
}

std::string failureOf(PodRequest request) {
  Stage1 pod = runPod(std::move(request));
  const ipc::LeashEvent* failed = pod.event(ipc::LeashEvent::Kind::Failed);
  return failed == nullptr ? "it ran: " + pod.output : failed->text;
}

constexpr char kStatus[] = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status";

TEST_F(Confinement, K15_RootHasTheBoundingSetOfItsSpecAndNoMore) {
  Stage1 pod = runPod(shellPod(kStatus));
  char mask[32];
  std::snprintf(mask, sizeof mask, "%016llx\n",
                static_cast<unsigned long long>(defaultCapabilities()));
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
    EXPECT_THAT(pod.output, HasSubstr(std::string(set) + ":\t" + mask));
  }
}

TEST_F(Confinement, R11_InheritableAndAmbientAreEmpty) {
  Stage1 pod = runPod(shellPod(kStatus));
  EXPECT_THAT(pod.output, HasSubstr("CapInh:\t0000000000000000\n"));
  EXPECT_THAT(pod.output, HasSubstr("CapAmb:\t0000000000000000\n"));
}

TEST_F(Confinement, R12_AnotherUserHasNoCapabilities) {
  Stage1 pod = runPod(asUser("1000", "1000", kStatus));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    EXPECT_THAT(pod.output, HasSubstr(std::string(set) + ":\t0000000000000000\n"));
  }
  EXPECT_THAT(pod.output, HasSubstr("Uid:\t1000\t1000\t1000\t1000\n"));
  EXPECT_THAT(pod.output, HasSubstr("Gid:\t1000\t1000\t1000\t1000\n"));
}

TEST_F(Confinement, AnAppNeverHasTheRightToMount) {
  PodRequest request = shellPod("true");
  request.spec.apps[0].capabilities |= std::uint64_t{1} << CAP_SYS_ADMIN;
  EXPECT_THAT(failureOf(std::move(request)), HasSubstr("CAP_SYS_ADMIN"));
}

TEST_F(Confinement, R10_GroupsAreThoseOfTheSpec) {
  PodRequest request = asUser("1000", "1000", kStatus);
  request.spec.apps[0].supplementaryGids = {44, 45};
  EXPECT_THAT(runPod(std::move(request)).output, HasSubstr("Groups:\t44 45 \n"));
  EXPECT_THAT(runPod(asUser("1000", "1000", kStatus)).output, HasSubstr("Groups:\t \n"));
}

TEST_F(Confinement, R02_FilterAndNoNewPrivilegesAreInForce) {
  Stage1 pod = runPod(shellPod(kStatus));
  EXPECT_THAT(pod.output, HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_THAT(pod.output, HasSubstr("Seccomp:\t2\n"));
  EXPECT_THAT(pod.output, HasSubstr("Seccomp_filters:\t1\n"));
}

TEST_F(Confinement, K14_OnlyRootMayDoWithoutNoNewPrivileges) {
  PodRequest request = shellPod(kStatus);
  request.spec.apps[0].noNewPrivileges = false;
  Stage1 root = runPod(std::move(request));
  EXPECT_THAT(root.output, HasSubstr("NoNewPrivs:\t0\n"));
  EXPECT_THAT(root.output, HasSubstr("Seccomp:\t2\n"));
  EXPECT_THAT(root.output, HasSubstr("CapInh:\t0000000000000000\n"));
  request = asUser("1000", "1000", kStatus);
  request.spec.apps[0].noNewPrivileges = false;
  EXPECT_THAT(runPod(std::move(request)).output, HasSubstr("NoNewPrivs:\t1\n"));
}

TEST_F(Confinement, K14_ASetuidProgramGainsNothing) {
  PodRequest request = asUser("1000", "1000", "exec -a id /bin/setuid -u");
  const std::string busybox = [] {
    std::string text;
    FILE* file = std::fopen("/bin/busybox", "re");
    char buffer[65536];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;) {
      text.append(buffer, got);
    }
    std::fclose(file);
    return text;
  }();
  request.roots[0].file("/bin/setuid", busybox, 0755).mode("/bin/setuid", 04755);
  EXPECT_THAT(runPod(std::move(request)).output, HasSubstr("1000\n"));
}

TEST_F(Confinement, K04_K12_ForbiddenSystemCallsAnswerAsTheDefaultFilterSays) {
  const std::string output = "\n" + runPod(shellPod("probe calls")).output;
  for (const char* name : {"add_key",
                           "keyctl",
                           "bpf",
                           "perf_event_open",
                           "userfaultfd",
                           "io_uring_setup",
                           "unshare_user",
                           "unshare_mount",
                           "setns",
                           "mount",
                           "umount2",
                           "pivot_root",
                           "chroot",
                           "fsopen",
                           "open_tree",
                           "mount_setattr",
                           "open_by_handle_at",
                           "name_to_handle_at",
                           "ptrace",
                           "process_vm_readv",
                           "kcmp",
                           "pidfd_getfd",
                           "kexec_load",
                           "init_module",
                           "iopl",
                           "syslog",
                           "acct",
                           "swapon",
                           "sethostname",
                           "personality",
                           "socket_alg",
                           "socket_packet",
                           "socket_netlink_audit",
                           "ioctl_sti",
                           "ioctl_sti_high",
                           "new_listener"}) {
    EXPECT_THAT(output, HasSubstr("\n" + std::string(name) + " EPERM\n")) << name;
  }
  EXPECT_THAT(output, HasSubstr("\nclone3 ENOSYS\n"));
  EXPECT_THAT(output, HasSubstr("\nunknown ENOSYS\n"));
}

TEST_F(Confinement, P15_NoDeviceNodeCanBeMade) {
  Stage1 pod = runPod(shellPod("probe calls"));
  EXPECT_THAT(pod.output, HasSubstr("mknod_block EPERM\n"));
  EXPECT_THAT(pod.output, HasSubstr("mknod_char EPERM\n"));
}

TEST_F(Confinement, AFurtherFilterComesOnTop) {
  const sock_filter noUname[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  PodRequest request = shellPod("mkdir /tmp/x; grep Seccomp_filters /proc/self/status");
  request.spec.apps[0].hasExtraFilter = true;
  request.filters.emplace_back(reinterpret_cast<const char*>(noUname), sizeof noUname);
  Stage1 pod = runPod(std::move(request));
  EXPECT_THAT(pod.errors, HasSubstr("No space left"));
  EXPECT_EQ(pod.output, "Seccomp_filters:\t2\n");
}

TEST_F(Confinement, R06_NoDescriptorBeyondTheStandardOnes) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"/bin/probe", "fds"};
  EXPECT_EQ(runPod(std::move(request)).output, "fd 0\nfd 1\nfd 2\n");
}

TEST_F(Confinement, R06_PidOneShowsNothingOfItself) {
  PodRequest request = shellPod("probe first");
  request.spec.apps[0].capabilities |= std::uint64_t{1} << CAP_SYS_PTRACE;
  Stage1 pod = runPod(std::move(request));
  EXPECT_THAT(pod.output, Not(HasSubstr(" ok"))) << pod.output;
}

TEST_F(Confinement, R07_TheWorkingDirectoryIsInsideTheRoot) {
  PodRequest request = shellPod("pwd");
  request.spec.apps[0].workingDirectory = "/etc";
  EXPECT_EQ(runPod(std::move(request)).output, "/etc\n");
  for (const char* directory :
       {"/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/fd/7", "/proc/self/cwd", "/proc/1/cwd",
        "/proc/1/root", "/missing", "/bin/busybox"}) {
    request = shellPod("pwd");
    request.spec.apps[0].workingDirectory = directory;
    EXPECT_THAT(failureOf(std::move(request)), HasSubstr("the working directory")) << directory;
  }
}

TEST_F(Confinement, R09_AUserIsAnExactNumberANameOrAPath) {
  for (const char* user : {"0001", "1000:", "-1", "+1", "4294967296", "4294967295", "65535", ":0",
                           "１０００", "0x0", " 0", "nobody2", "root\n"}) {
    EXPECT_THAT(failureOf(asUser(user, "0", "id -u")), HasSubstr("user")) << user;
  }
  const auto named = [](const std::string& user, const std::string& group) {
    PodRequest request = asUser(user, group, "id -u; id -g; echo $USER $HOME");
    request.roots[0]
        .file("/etc/passwd",
              "root:x:0:0::/root:/bin/sh\nbad\n:x:0:0::/:\nalice:x:1234:5::/home/a:/bin/sh\n")
        .file("/etc/group", "staff:x:50:\n")
        .file("/data", "")
        .owner("/data", 77, 78);
    return runPod(std::move(request)).output;
  };
  EXPECT_EQ(named("alice", "staff"), "1234\n50\nalice /home/a\n");
  EXPECT_EQ(named("1234", "9"), "1234\n9\nalice /home/a\n");
  EXPECT_EQ(named("/data", "/data"), "77\n78\n77 /root\n");
}

TEST_F(Confinement, P10_AccountFilesOfTheImageAreReadOnlyAsPlainFiles) {
  const auto with = [](const auto& change) {
    PodRequest request = asUser("alice", "0", "id -u");
    change(request.roots[0]);
    return failureOf(std::move(request));
  };
  EXPECT_THAT(with([](ImageRoot& root) { root.link("/etc/passwd", "/proc/1/environ"); }),
              HasSubstr("symbolic link"));
  EXPECT_THAT(with([](ImageRoot& root) { root.fifo("/etc/passwd"); }), HasSubstr("regular file"));
  EXPECT_THAT(with([](ImageRoot& root) { root.file("/etc/passwd", std::string(2 << 20, 'x')); }),
              HasSubstr("bytes"));
  EXPECT_THAT(with([](ImageRoot& root) { root.directory("/etc/passwd"); }),
              HasSubstr("regular file"));
}

TEST_F(Confinement, K23_NoCoreIsWritten) {
  Stage1 pod = runPod(shellPod("ulimit -c; ulimit -Hc"));
  EXPECT_EQ(pod.output, "0\n0\n");
}

TEST_F(Confinement, R16_NamespacesAreThePods) {
  const std::string script =
      "echo $$; for n in user pid mnt net ipc uts cgroup; do readlink /proc/self/ns/$n; done";
  Stage1 pod = runPod(shellPod(script));
  EXPECT_THAT(pod.output, ::testing::StartsWith("2\n"));
  for (const char* name : {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"}) {
    char host[64] = {};
    ASSERT_GT(::readlink((std::string("/proc/self/ns/") + name).c_str(), host, sizeof host - 1), 0);
    EXPECT_THAT(pod.output, Not(HasSubstr(host)));
    EXPECT_THAT(pod.output, HasSubstr(std::string(name) + ":["));
  }
}

TEST_F(Confinement, AnOomScoreIsSet) {
  PodRequest request =
      shellPod("while [ $(cat /proc/self/oom_score_adj) != 321 ]; do sleep 0.01; done; echo set");
  request.spec.apps[0].oomScoreAdjust = 321;
  EXPECT_EQ(runPod(std::move(request)).output, "set\n");
}

}  // namespace
}  // namespace airlock::conformance
