// SPDX-License-Identifier: Apache-2.0
#include "sandbox/confine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "sandbox/child_for_test.h"
#include "sandbox/credentials.h"
#include "sandbox/listener_for_test.h"
#include "sandbox/policies/authenticate.bpf.h"
#include "sandbox/policies/check.bpf.h"
#include "sandbox/policies/fetch.bpf.h"
#include "sandbox/policies/inflate.bpf.h"
#include "sandbox/policies/measure.bpf.h"
#include "sandbox/policies/pack.bpf.h"
#include "sandbox/policies/relay.bpf.h"
#include "sandbox/policies/systemd.bpf.h"
#include "sandbox/policies/unpack.bpf.h"
#include "sandbox/rlimits.h"

namespace airlock::sandbox {
namespace {

constexpr int kNotConfined = 99;

ExitStatus confined(const Confinement& confinement, const std::function<int()>& body) {
  return inChild([&] { return enter(confinement) ? body() : kNotConfined; });
}

struct Forbidden {
  const char* name;
  std::function<void()> call;
};

// What no process of ours may do, whatever its role.
std::vector<Forbidden> forbiddenToAll() {
  return {
      {"ptrace", [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
      {"process_vm_readv", [] { ::process_vm_readv(1, nullptr, 0, nullptr, 0, 0); }},
      {"pidfd_open", [] { ::syscall(SYS_pidfd_open, 1, 0); }},
      {"pidfd_getfd", [] { ::syscall(SYS_pidfd_getfd, 0, 0, 0); }},
      {"pidfd_send_signal", [] { ::syscall(SYS_pidfd_send_signal, 0, 0, nullptr, 0); }},
      {"kcmp", [] { ::syscall(SYS_kcmp, 1, 1, 0, 0, 0); }},
      {"unshare", [] { ::unshare(CLONE_NEWUSER); }},
      {"setns", [] { ::setns(0, 0); }},
      {"mount", [] { ::syscall(SYS_mount, "", "", "", 0, nullptr); }},
      {"chroot", [] { static_cast<void>(!::chroot("/")); }},
      {"io_uring_setup", [] { ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"keyctl", [] { ::syscall(SYS_keyctl, 0); }},
      {"bpf", [] { ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"userfaultfd", [] { ::syscall(SYS_userfaultfd, 0); }},
      {"perf_event_open", [] { ::syscall(SYS_perf_event_open, nullptr, 0, 0, 0, 0); }},
      {"personality", [] { ::syscall(SYS_personality, 0); }},
      {"init_module", [] { ::syscall(SYS_init_module, nullptr, 0, nullptr); }},
      {"listen", [] { ::listen(0, 1); }},
      {"accept", [] { ::accept(0, nullptr, nullptr); }},
      {"mknod", [] { ::mknod("/nonexistent/x", S_IFIFO, 0); }},
      {"syslog", [] { ::syscall(SYS_syslog, 0, nullptr, 0); }},
      {"unknown_call", [] { ::syscall(1000); }},
  };
}

struct Role {
  const char* name;
  std::span<const sock_filter> filter;
};

constexpr Role kRoles[] = {
    {"fetch", policies::kFetch},     {"authenticate", policies::kAuthenticate},
    {"inflate", policies::kInflate}, {"unpack", policies::kUnpack},
    {"check", policies::kCheck},     {"measure", policies::kMeasure},
    {"systemd", policies::kSystemd}, {"relay", policies::kRelay},
};
constexpr Role kComputing[] = {{"inflate", policies::kInflate},
                               {"unpack", policies::kUnpack},
                               {"check", policies::kCheck},
                               {"systemd", policies::kSystemd},
                               {"relay", policies::kRelay}};

TEST(Confine, EveryRoleDiesOfWhatNoRoleMayDo) {
  for (const Role& role : kRoles) {
    for (const Forbidden& forbidden : forbiddenToAll()) {
      const ExitStatus status = confined({.filter = role.filter}, [&] {
        forbidden.call();
        return 0;
      });
      EXPECT_EQ(status.signal, SIGSYS)
          << role.name << ": " << forbidden.name << ": " << status.text();
    }
  }
}

TEST(Confine, ComputingRolesDieOfFilesSocketsProcessesAndCode) {
  const std::vector<Forbidden> calls = {
      {"openat", [] { ::open("/etc/passwd", O_RDONLY); }},
      {"openat2", [] { ::syscall(SYS_openat2, AT_FDCWD, "/", nullptr, 0); }},
      {"creat", [] { ::syscall(SYS_creat, "/nonexistent/x", 0); }},
      {"stat", [] { ::syscall(SYS_stat, "/etc/passwd", nullptr); }},
      {"newfstatat", [] { ::syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", nullptr, 0); }},
      {"unlink", [] { ::unlink("/nonexistent/x"); }},
      {"socket", [] { ::socket(AF_INET, SOCK_STREAM, 0); }},
      {"socket_unix", [] { ::socket(AF_UNIX, SOCK_STREAM, 0); }},
      {"connect", [] { ::connect(0, nullptr, 0); }},
      {"execve", [] { ::execl("/bin/true", "true", nullptr); }},
      {"execveat", [] { ::syscall(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH); }},
      {"fork", [] { ::fork(); }},
      {"vfork",
       [] {
         if (::vfork() == 0) ::_exit(0);
       }},
      {"kill", [] { ::kill(::getppid(), 0); }},
      {"code",
       [] { ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }},
      {"mprotect", [] { ::syscall(SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC); }},
      {"fcntl", [] { ::fcntl(0, F_SETOWN, ::getppid()); }},
      {"prctl", [] { ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }},
      {"ioctl", [] { ::syscall(SYS_ioctl, 0, 0x5412, nullptr); }},
  };
  for (const Role& role : kComputing) {
    for (const Forbidden& forbidden : calls) {
      const ExitStatus status = confined({.filter = role.filter}, [&] {
        forbidden.call();
        return 0;
      });
      EXPECT_EQ(status.signal, SIGSYS)
          << role.name << ": " << forbidden.name << ": " << status.text();
    }
  }
}

TEST(Confine, ComputingRolesCanReadWriteAllocateAndThrow) {
  for (const Role& role : kComputing) {
    if (std::string_view(role.name) == "relay") continue;  // has no reply to make
    const ExitStatus status = confined({.filter = role.filter}, [] {
      std::vector<std::string> large(1000, std::string(100'000, 'x'));
      const int file = ::memfd_create("reply", MFD_CLOEXEC | MFD_ALLOW_SEALING);
      if (::write(file, large[7].data(), large[7].size()) != 100'000) return 1;
      if (::fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) != 0) return 2;
      struct stat info {};
      if (::fstat(file, &info) != 0 || info.st_size != 100'000) return 3;
      try {
        static_cast<void>(large.at(5000));
      } catch (const std::exception&) {
        return 0;
      }
      return 4;
    });
    EXPECT_TRUE(status.clean()) << role.name << ": " << status.text();
  }
}

TEST(Confine, MessagesPassOverAnInheritedChannel) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  const ExitStatus status = confined({.filter = policies::kUnpack, .keep = {pair[1]}}, [&] {
    if (::fcntl(pair[0], F_GETFD) >= 0) return 1;  // not in the list, so closed
    return ::send(pair[1], "verdict", 7, MSG_NOSIGNAL) == 7 ? 0 : 2;
  });
  EXPECT_TRUE(status.clean()) << status.text();
  char buffer[16];
  EXPECT_EQ(::recv(pair[0], buffer, sizeof buffer, MSG_DONTWAIT), 7);
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST(Confine, H18_FilesOutsideTheListCannotBeOpened) {
  if (landlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const ExitStatus status = confined(
      {.filter = policies::kFetch, .paths = {{.path = "/etc/hosts", .access = kReadFile}}}, [] {
        if (::open("/etc/hosts", O_RDONLY) < 0) return 1;
        if (::open("/etc/hosts", O_WRONLY) >= 0 || errno != EACCES) return 2;
        if (::open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) return 3;
        if (::open("/tmp", O_RDONLY | O_DIRECTORY) >= 0 || errno != EACCES) return 4;
        if (::open("/proc/self/mem", O_RDONLY) >= 0 || errno != EACCES) return 5;
        return 0;
      });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, MeasureWritesBelowItsDirectoryOnly) {
  if (landlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  char directory[] = "/tmp/airlock-sandbox-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const ExitStatus status = confined(
      {.filter = policies::kMeasure, .paths = {{.path = directory, .access = kReadWrite}}}, [&] {
        const int log = ::open(directory, O_PATH | O_CLOEXEC);
        const int file = ::openat(log, "wal", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (file < 0 || ::write(file, "x", 1) != 1 || ::fsync(file) != 0) return 1;
        if (::renameat(log, "wal", log, "log") != 0) return 2;
        if (::open("/tmp/elsewhere", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EACCES) return 3;
        return ::unlinkat(log, "log", 0) == 0 ? 0 : 4;
      });
  EXPECT_TRUE(status.clean()) << status.text();
  std::filesystem::remove_all(directory);
}

TEST(Confine, MeasureMakesNoSocketsAndNoPrograms) {
  EXPECT_EQ(
      confined({.filter = policies::kMeasure}, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); })
          .signal,
      SIGSYS);
  EXPECT_EQ(
      confined({.filter = policies::kMeasure}, [] { return ::execl("/bin/true", "true", nullptr); })
          .signal,
      SIGSYS);
}

TEST(Confine, PackMakesNoSocketsNoProgramsAndChangesNoFile) {
  const auto killed = [](auto work) {
    return confined({.filter = policies::kPack}, work).signal == SIGSYS;
  };
  EXPECT_TRUE(killed([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }));
  EXPECT_TRUE(killed([] { return ::execl("/bin/true", "true", nullptr); }));
  EXPECT_TRUE(killed([] { return ::fork(); }));
  EXPECT_TRUE(killed([] { return ::unlink("/nothing"); }));
  EXPECT_TRUE(killed([] { return ::chmod("/nothing", 0600); }));
}

TEST(Limits, AreTakenFromAnotherProcess) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto start = [] {
    const pid_t pid = ::fork();
    if (pid == 0) ::pause();
    return pid;
  };
  const pid_t to = start();
  const rlimit files{123, 456};
  const rlimit core{7, 7};
  const pid_t from = start();
  ::prlimit(from, RLIMIT_NOFILE, &files, nullptr);
  ::prlimit(from, RLIMIT_CORE, &core, nullptr);
  std::ofstream("/proc/" + std::to_string(from) + "/oom_score_adj") << 321;
  EXPECT_TRUE(takeLimitsOf(from, to));
  rlimit got{};
  ::prlimit(to, RLIMIT_NOFILE, nullptr, &got);
  EXPECT_EQ(got.rlim_cur, 123U);
  EXPECT_EQ(got.rlim_max, 456U);
  ::prlimit(to, RLIMIT_CORE, nullptr, &got);
  EXPECT_NE(got.rlim_cur, 7U);
  int score = 0;
  std::ifstream("/proc/" + std::to_string(to) + "/oom_score_adj") >> score;
  EXPECT_EQ(score, 321);
  for (const pid_t pid : {from, to}) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
}

TEST(Confine, FetchConnectsButIsNoServer) {
  const Listener listener;
  EXPECT_TRUE(confined({.filter = policies::kFetch, .network = true}, [&] {
                return listener.connectTo();
              }).clean());
  EXPECT_EQ(
      confined({.filter = policies::kFetch, .network = true}, [] { return ::listen(0, 1); }).signal,
      SIGSYS);
}

TEST(Confine, FetchStartsThreadsButNoProcessAndNoOtherSockets) {
  const ExitStatus status = confined({.filter = policies::kFetch, .network = true}, [] {
    int answer = 0;
    std::thread([&] { answer = 42; }).join();
    if (answer != 42) return 1;
    if (::fork() >= 0 || errno != EPERM) return 2;
    if (::socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT) return 3;
    if (::socket(AF_NETLINK, SOCK_RAW, 9) >= 0 || errno != EAFNOSUPPORT) return 4;
    if (::socket(AF_NETLINK, SOCK_RAW, 0) < 0) return 5;
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return 7;
    if (::mmap(nullptr, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
      return 6;
    return 0;
  });
  EXPECT_TRUE(status.clean()) << status.text();
  EXPECT_EQ(confined({.filter = policies::kFetch},
                     [] {
                       int pair[2];
                       return ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
                     })
                .signal,
            SIGSYS);
  EXPECT_EQ(confined({.filter = policies::kFetch}, [] { return ::kill(::getppid(), 0); }).signal,
            SIGSYS);
  EXPECT_EQ(
      confined({.filter = policies::kFetch}, [] { return ::execl("/bin/true", "true", nullptr); })
          .signal,
      SIGSYS);
}

// A key ring, a message and its detached signature, made by the gpg of this machine.
struct Signed {
  std::string home;
  Signed() {
    char directory[] = "/tmp/airlock-sandbox-XXXXXX";
    home = ::mkdtemp(directory);
    const std::string gpg = "gpg --homedir " + home + " --batch --quiet ";
    const std::string script =
        "exec 2>/dev/null; cd " + home + " && echo text >message && " + gpg +
        "--passphrase '' --quick-gen-key a@example.com ed25519 sign never && " + gpg +
        "--detach-sign message && " + gpg + "--export >key; gpgconf --homedir " + home +
        " --kill all; rm -rf S.* private-keys-v1.d";
    static_cast<void>(!std::system(script.c_str()));
  }
  ~Signed() { std::filesystem::remove_all(home); }
};

// Exit code of gpgv as the role authenticate runs it.
ExitStatus verifySignature(const std::string& home) {
  return confined({.filter = policies::kAuthenticate,
                   .paths = {{.path = "/usr", .access = kReadExecute},
                             {.path = "/lib", .access = kReadExecute, .optional = true},
                             {.path = "/lib64", .access = kReadExecute, .optional = true},
                             {.path = "/etc", .access = kRead},
                             {.path = "/dev/null", .access = kReadFile | kWriteFile},
                             {.path = home, .access = kReadWrite}},
                   .limits = {{RLIMIT_NOFILE, 64}}},
                  [&] {
                    ::close(2);
                    const std::string key = home + "/key";
                    const std::string message = home + "/message";
                    return ::execl("/usr/bin/gpgv", "gpgv", "--homedir", home.c_str(), "--keyring",
                                   key.c_str(), (message + ".sig").c_str(), message.c_str(),
                                   nullptr);
                  });
}

TEST(Confine, AuthenticateRunsTheRealGpg) {
  if (::access("/usr/bin/gpgv", X_OK) != 0) GTEST_SKIP() << "needs gpgv";
  const Signed data;
  EXPECT_TRUE(verifySignature(data.home).clean());
  std::ofstream(data.home + "/message") << "other text";
  EXPECT_EQ(verifySignature(data.home).code, 1);
}

TEST(Confine, AuthenticateHasNoNetworkAndNoNamespaces) {
  const ExitStatus status = confined({.filter = policies::kAuthenticate}, [] {
    if (::socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT) return 1;
    if (::socket(AF_NETLINK, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT) return 2;
    return 0;
  });
  EXPECT_TRUE(status.clean()) << status.text();
  EXPECT_EQ(confined({.filter = policies::kAuthenticate},
                     [] { return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) >= 0; })
                .signal,
            SIGSYS);
}

TEST(Confine, SaysWhatIsEnforced) {
  const ExitStatus status = confined({.filter = policies::kUnpack}, [] { return 0; });
  EXPECT_TRUE(status.clean());
  const ExitStatus told = inChild([] {
    const Result<Enforced> enforced =
        enter({.filter = policies::kUnpack, .invoker = ::getuid() + 1});
    if (!enforced) return 1;
    if (!enforced->seccomp || !enforced->noNewPrivileges || !enforced->notDumpable) return 2;
    if (!enforced->noCapabilities || !enforced->separateUser) return 3;
    if (enforced->landlockAbi != enforced->landlock.abi) return 4;
    if (enforced->landlockAbi > 0 && !enforced->landlock.files) return 5;
    return 0;
  });
  EXPECT_TRUE(told.clean()) << told.text();
}

TEST(Confine, K15_NoCapabilityIsLeftInAnySet) {
  const ExitStatus status = inChild([] {
    const Result<CapabilityState> state = dropAllCapabilities();
    if (!state || !state->none()) return 1;
    return ::geteuid() == 0 && state->bounding != 0 ? 2 : 0;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, CapabilitiesThatAreKeptStay) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr Capabilities kKept = capability(0) | capability(5);  // CAP_CHOWN, CAP_KILL
  const ExitStatus status = inChild([] {
    const Result<CapabilityState> state = keepOnlyCapabilities(kKept);
    if (!state) return 1;
    return state->effective == kKept && state->permitted == kKept && state->bounding == kKept &&
                   state->inheritable == 0
               ? 0
               : 2;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, H01_OnlyNamedVariablesStay) {
  ::setenv("LD_PRELOAD_OF_TEST", "x", 1);
  ::setenv("https_proxy_of_test", "y", 1);
  const ExitStatus status =
      confined({.filter = policies::kUnpack, .environment = {"https_proxy_of_test"}}, [] {
        if (::getenv("LD_PRELOAD_OF_TEST") != nullptr || ::getenv("PATH") != nullptr) return 1;
        return ::getenv("https_proxy_of_test") != nullptr ? 0 : 2;
      });
  ::unsetenv("LD_PRELOAD_OF_TEST");
  ::unsetenv("https_proxy_of_test");
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, H02_AProgramWithoutArgumentsEnds) {
  EXPECT_EQ(inChild([] {
              refuseEmptyArguments(0);
              return 0;
            }).signal,
            SIGABRT);
  EXPECT_TRUE(inChild([] {
                refuseEmptyArguments(1);
                return 0;
              }).clean());
}

TEST(Confine, H03_ClosedStandardDescriptorsBecomeDevNull) {
  const ExitStatus status = inChild([] {
    ::close(0);
    ::close(2);
    if (!enter({.filter = policies::kUnpack})) return 1;
    char byte;
    if (::read(0, &byte, 1) != 0) return 2;
    return ::write(2, "x", 1) == 1 ? 0 : 3;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, H04_InheritedDescriptorsAreClosed) {
  const int leaked = ::open("/etc/passwd", O_RDONLY);
  const ExitStatus status =
      confined({.filter = policies::kUnpack}, [&] { return ::fcntl(leaked, F_GETFD) < 0 ? 0 : 1; });
  ::close(leaked);
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, ADescriptorToKeepMustBeOpen) {
  EXPECT_EQ(confined({.filter = policies::kUnpack, .keep = {900}}, [] { return 0; }).code,
            kNotConfined);
}

TEST(Confine, H05_SignalMaskDispositionsAndTimersAreReset) {
  const ExitStatus status = inChild([] {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    ::signal(SIGCHLD, SIG_IGN);
    ::alarm(100);
    if (!enter({.filter = policies::kUnpack})) return 1;
    sigset_t mask;
    ::sigprocmask(SIG_SETMASK, nullptr, &mask);
    if (sigismember(&mask, SIGTERM) == 1) return 2;
    struct sigaction action {};
    ::sigaction(SIGCHLD, nullptr, &action);
    return action.sa_handler == SIG_DFL ? 0 : 3;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, H06_H09_UmaskAndDirectoryAreOurs) {
  const ExitStatus status = inChild([] {
    ::umask(0);
    if (::chdir("/tmp") != 0) return 1;
    if (!enter({.filter = policies::kAuthenticate})) return 2;
    if (::umask(0) != 077) return 3;
    char directory[16];
    return ::getcwd(directory, sizeof directory) != nullptr && std::string(directory) == "/" ? 0
                                                                                             : 4;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, H08_ItIsNotDumpable) {
  const ExitStatus status =
      confined({.filter = policies::kUnpack}, [] { return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, K23_ThereIsNoCore) {
  const ExitStatus status = confined({.filter = policies::kUnpack}, [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    return limit.rlim_max == 0 ? 0 : 1;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, LimitsHoldAndAreNeverRaised) {
  const ExitStatus status = confined(
      {.filter = policies::kUnpack, .limits = {{RLIMIT_NOFILE, 64}, {RLIMIT_FSIZE, RLIM_INFINITY}}},
      [] {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur == 64 && limit.rlim_max == 64 ? 0 : 1;
      });
  EXPECT_TRUE(status.clean()) << status.text();
}

TEST(Confine, AProcessWithThreadsIsRefused) {
  const ExitStatus status = inChild([] {
    std::promise<void> end;
    std::thread other([&] { end.get_future().wait(); });
    const bool refused = !enter({.filter = policies::kUnpack});
    end.set_value();
    other.join();
    return refused ? 0 : 1;
  });
  EXPECT_TRUE(status.clean()) << status.text();
}

}  // namespace
}  // namespace airlock::sandbox
