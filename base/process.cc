// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock {

std::string ExitStatus::text() const {
  if (signal == 0) return "exit code " + std::to_string(code);
  return "signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
}

void resetSignals() {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < 65; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

namespace {

ExitStatus fromWaitStatus(int status) {
  if (WIFSIGNALED(status)) return {.code = 0, .signal = WTERMSIG(status)};
  return {.code = WEXITSTATUS(status), .signal = 0};
}

// What the child tells through the status pipe when it cannot exec.
struct StartFailure {
  int number;
  char step[60];
};

// Everything the child needs, laid out before the clone: between clone and exec there is no
// allocation.
struct Plan {
  int executable;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<std::pair<int, int>> moves;  // (scratch number, final number)
  int statusPipe;
  const Program* program;
  std::string uidMap;
  std::string gidMap;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// async-signal-safe from here to the end of runChild
[[noreturn]] void giveUp(int pipe, const char* step) {
  StartFailure failure{};
  failure.number = errno;
  std::strncpy(failure.step, step, sizeof failure.step - 1);
  static_cast<void>(!::write(pipe, &failure, sizeof failure));
  ::_exit(127);
}

bool writeOnce(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return good;
}

[[noreturn]] void runChild(Plan& plan, pid_t parent) {
  const Program& program = *plan.program;
  int pipe = plan.statusPipe;
  resetSignals();
  ::umask(077);
  if (::setsid() < 0 && errno != EPERM) giveUp(pipe, "setsid");

  // Descriptors first: every one that stays is moved above the ones that are wanted, then down to
  // its number.
  int highest = 3;
  for (const auto& [from, to] : plan.moves) highest = std::max(highest, to + 1);
  pipe = ::fcntl(pipe, F_DUPFD_CLOEXEC, highest);
  if (pipe < 0) ::_exit(127);
  plan.executable = ::fcntl(plan.executable, F_DUPFD_CLOEXEC, highest);
  if (plan.executable < 0) giveUp(pipe, "keep the program open");
  for (auto& [from, to] : plan.moves) {
    from = ::fcntl(from, F_DUPFD_CLOEXEC, highest);
    if (from < 0) giveUp(pipe, "duplicate a descriptor");
  }
  for (int number = 0; number < 3; ++number) {
    bool named = false;
    for (const auto& [from, to] : plan.moves) named = named || to == number;
    if (named) continue;
    const int null = ::open("/dev/null", O_RDWR);
    if (null < 0) giveUp(pipe, "open /dev/null");
    if (null != number && (::dup2(null, number) < 0 || ::close(null) != 0)) giveUp(pipe, "dup2");
  }
  for (const auto& [from, to] : plan.moves) {
    if (::dup2(from, to) < 0) giveUp(pipe, "dup2");
  }
  // What is not in the list is closed by exec: everything above the highest wanted number, and the
  // gaps below it.
  for (int number = 3; number < highest; ++number) {
    bool named = false;
    for (const auto& [from, to] : plan.moves) named = named || to == number;
    if (!named) ::close(number);
  }
  ::syscall(SYS_close_range, highest, ~0U, CLOSE_RANGE_CLOEXEC);

  if ((program.namespaces & CLONE_NEWUSER) != 0) {
    // The map of a process that cannot be dumped belongs to root: a user whose process is like that
    // could not write it.
    if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) giveUp(pipe, "make the process dumpable");
    if (!writeOnce("/proc/self/setgroups", "deny")) giveUp(pipe, "deny setgroups");
    if (!writeOnce("/proc/self/uid_map", plan.uidMap)) giveUp(pipe, "map the uid");
    if (!writeOnce("/proc/self/gid_map", plan.gidMap)) giveUp(pipe, "map the gid");
  }
  if (::chdir("/") != 0) giveUp(pipe, "chdir /");
  for (const ResourceLimit& limit : program.limits) {
    const rlimit value{limit.value, limit.value};
    if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) != 0)
      giveUp(pipe, "setrlimit");
  }
  if (program.identity) {
    const Identity& who = *program.identity;
    // Not glibc's wrappers: they wait for the threads of the parent, which do not exist here
    // (nptl(7)).
    if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) != 0)
      giveUp(pipe, "setgroups");
    if (::syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0) giveUp(pipe, "setresgid");
    if (::syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0) giveUp(pipe, "setresuid");
    uid_t uids[3];
    if (::getresuid(&uids[0], &uids[1], &uids[2]) != 0 || uids[0] != who.uid ||
        uids[1] != who.uid || uids[2] != who.uid) {
      errno = EPERM;
      giveUp(pipe, "verify the uid");
    }
  }
  if (program.noNewPrivileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    giveUp(pipe, "no_new_privs");
  }
  if (program.dieWithParent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) giveUp(pipe, "PR_SET_PDEATHSIG");
    // The parent may have died before the prctl.  In a new pid namespace getppid is 0 either way,
    // and the pipe tells.
    if ((program.namespaces & CLONE_NEWPID) == 0 && ::getppid() != parent) ::_exit(127);
  }
  ::syscall(SYS_execveat, plan.executable, "", plan.argv.data(), plan.envp.data(), AT_EMPTY_PATH);
  giveUp(pipe, "exec");
}

}  // namespace

Child::~Child() {
  if (pid_ < 0) return;
  static_cast<void>(sys::pidfdSignal(pidfd_, SIGKILL));
  static_cast<void>(wait());
}

Result<ExitStatus> Child::wait() {
  for (;;) {
    int status = 0;
    if (::waitpid(pid_, &status, 0) == pid_) {
      pid_ = -1;
      return fromWaitStatus(status);
    }
    if (errno == EINTR) continue;
    const int reason = errno;
    // Another one's to reap (CLONE_PARENT): its status is not ours to know, its end is.
    if (reason == ECHILD) static_cast<void>(sys::pidfdWait(pidfd_, -1));
    pid_ = -1;
    return fail(Error::fromErrno(reason, "wait for a child"));
  }
}

Result<std::optional<ExitStatus>> Child::wait(int milliseconds) {
  if (!TRY(sys::pidfdWait(pidfd_, milliseconds))) return std::optional<ExitStatus>();
  return std::optional(TRY(wait()));
}

Result<void> Child::signal(int number) { return sys::pidfdSignal(pidfd_, number); }

Result<Child> spawn(const Program& program) {
  sys::Pipe pipe = TRY(sys::pipe());
  Plan plan{.executable = program.executable.get(),
            .argv = pointers(program.arguments),
            .envp = pointers(program.environment),
            .moves = {},
            .statusPipe = pipe.writeEnd.get(),
            .program = &program,
            .uidMap = std::to_string(::geteuid()) + " " + std::to_string(::geteuid()) + " 1\n",
            .gidMap = std::to_string(::getegid()) + " " + std::to_string(::getegid()) + " 1\n"};
  for (const auto& [from, to] : program.descriptors) plan.moves.emplace_back(from.get(), to);

  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = program.namespaces | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const pid_t parent = ::getpid();
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failErrno("clone");
  if (pid == 0) runChild(plan, parent);

  Child child(static_cast<pid_t>(pid), Fd::own(pidfd));
  pipe.writeEnd.reset();
  StartFailure failure{};
  std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(&failure), sizeof failure);
  const std::size_t got = TRY(sys::read(pipe.readEnd, bytes));
  if (got == 0) return child;  // closed by exec
  failure.step[sizeof failure.step - 1] = 0;
  const std::string name = program.arguments.empty() ? "program" : program.arguments.front();
  return fail(Error::fromErrno(failure.number, "start " + name + ": " + failure.step));
}

Result<void> writeIdMaps(pid_t pid, const IdMapping& mapping) {
  const std::string rest =
      " " + std::to_string(mapping.outside) + " " + std::to_string(mapping.count) + "\n";
  const std::pair<const char*, unsigned> kinds[] = {{"uid_map", mapping.uid},
                                                    {"gid_map", mapping.gid}};
  for (const auto& [kind, first] : kinds) {
    const Fd file = TRY(sys::openPath("/proc/" + std::to_string(pid) + "/" + kind, O_WRONLY));
    TRY(sys::writeAll(file, std::to_string(first) + rest));
  }
  return {};
}

Result<Fd> makeUserNamespace(const IdMapping& mapping) {
  clone_args arguments{};
  int pidfd = -1;
  arguments.flags = CLONE_NEWUSER | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const pid_t parent = ::getpid();
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failErrno("clone a user namespace");
  if (pid == 0) {
    // It has a copy of every descriptor of its owner, locks among them, and must not outlive it.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::getppid() != parent) ::_exit(127);
    for (;;) ::pause();  // it only holds the namespace until we have it; its owner kills it below
  }
  const Child holder(static_cast<pid_t>(pid), Fd::own(pidfd));
  TRY(writeIdMaps(holder.pid(), mapping));
  return sys::openPath("/proc/" + std::to_string(holder.pid()) + "/ns/user", O_RDONLY);
}

Result<std::uint64_t> startTimeOf(pid_t pid) {
  const Fd file = TRY(sys::openPath("/proc/" + std::to_string(pid) + "/stat", O_RDONLY));
  const std::string text = TRY(sys::readAll(file, limits::kTextBytes));
  // The name in field 2 may hold anything, a ')' too; the fields after the last one are numbers.
  std::size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != text.npos; ++field) at = text.find(' ', at + 1);
  std::uint64_t ticks = 0;
  if (at == text.npos ||
      std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks).ec != std::errc()) {
    return fail(ErrorKind::Failed, "the start time of a process cannot be read");
  }
  return ticks;
}

Result<Fd> openSibling(const std::string& name) {
  char self[4096];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return failErrno("read /proc/self/exe");
  std::string prefix(self, static_cast<std::size_t>(length));
  prefix.resize(prefix.rfind('/'));  // the directory of this program: bin, or libexec/airlock
  const std::string directory =
      prefix.ends_with("/bin") ? prefix.substr(0, prefix.size() - 4) + "/libexec/airlock" : prefix;
  Fd file = TRY(sys::openPath(directory + "/" + name, O_RDONLY | O_NOFOLLOW));
  const struct stat info = TRY(sys::status(file));
  if (!S_ISREG(info.st_mode)) {
    return refuse(ErrorKind::Invalid, "E_PROGRAM",
                  directory + "/" + name + " is not a regular file");
  }
  if (::geteuid() == 0 && (info.st_mode & 022) != 0) {
    return refuse(ErrorKind::Denied, "E_PROGRAM",
                  directory + "/" + name + " can be written by others",
                  "Reinstall Airlock, or remove the write permission");
  }
  return file;
}

}  // namespace airlock
