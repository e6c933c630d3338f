// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/launch.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "sandbox/exec_label.h"
#include "stage1/contract/image_accounts.h"

namespace airlock::stage1 {

namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string* find(Environment& environment, std::string_view name) {
  const auto found =
      std::ranges::find(environment, name, &std::pair<std::string, std::string>::first);
  return found == environment.end() ? nullptr : &found->second;
}

void set(Environment& environment, std::string_view name, std::string_view value) {
  if (std::string* present = find(environment, name)) {
    *present = value;
  } else {
    environment.emplace_back(name, value);
  }
}

void setIfMissing(Environment& environment, std::string_view name, std::string_view value) {
  if (find(environment, name) == nullptr) environment.emplace_back(name, value);
}

Result<Confinement> planConfinement(FdRef root, LaunchRequest& request, const ImageUser& user) {
  const ipc::AppSpec& app = request.app;
  if ((app.capabilities >> CAP_SYS_ADMIN & 1) != 0) {
    return refuse(ErrorKind::Denied, "E_CAPABILITY",
                  "CAP_SYS_ADMIN would let the app undo the read-only and masked paths of its pod");
  }
  Confinement result;
  result.uid = user.uid;
  result.gid = TRY(resolveGroup(root, app.group, app.user));
  result.groups.assign(app.supplementaryGids.begin(), app.supplementaryGids.end());
  if (app.group == kOwnGroup) {
    for (const gid_t gid : TRY(membershipsOf(root, app.user)))
      if (result.groups.size() < limits::kSupplementaryGids) result.groups.push_back(gid);
  }
  for (const gid_t gid : result.groups) {
    if (gid > limits::kImageIdMax) {
      return refuse(ErrorKind::Invalid, "E_GROUP",
                    std::to_string(gid) + " is not a group of a pod");
    }
  }
  result.capabilities = app.capabilities;
  result.extraFilter = std::move(request.extraFilter);
  // Only a root app may gain rights by exec, as in rkt; with a further filter there would be no one
  // left to install it.
  result.noNewPrivileges = app.noNewPrivileges || result.uid != 0 || !result.extraFilter.empty();
  result.label = std::move(request.label);
  result.workingDirectory = app.workingDirectory.empty() ? "/" : app.workingDirectory;
  return result;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

Environment completeEnvironment(Environment environment, const std::string& userName,
                                const std::string& home, bool terminal) {
  setIfMissing(environment, "PATH", kDefaultPath);
  setIfMissing(environment, "SHELL", "/bin/sh");
  setIfMissing(environment, "USER", userName);
  setIfMissing(environment, "LOGNAME", userName);
  setIfMissing(environment, "HOME", home);
  if (terminal) setIfMissing(environment, "TERM", "xterm");
  return environment;
}

std::vector<std::string> programCandidates(const std::string& program,
                                           const std::string& workingDirectory,
                                           const std::string& searchPath) {
  if (program.starts_with('/')) return {program};
  if (program.contains('/')) {
    return {(workingDirectory.ends_with('/') ? workingDirectory : workingDirectory + "/") +
            program};
  }
  std::vector<std::string> candidates;
  for (std::string_view rest = searchPath; !rest.empty() && !program.empty();) {
    const auto colon = rest.find(':');
    const std::string_view directory = rest.substr(0, colon);
    // An empty or relative directory would mean wherever the app happens to be.
    if (directory.starts_with('/')) candidates.push_back(std::string(directory) + "/" + program);
    rest = colon == rest.npos ? std::string_view() : rest.substr(colon + 1);
  }
  return candidates;
}

Result<LaunchPlan> planLaunch(FdRef root, LaunchRequest request) {
  Environment environment = request.app.environment;
  for (const auto& [name, value] : request.extraEnvironment) set(environment, name, value);
  const bool describe =
      find(environment, "HOME") == nullptr || find(environment, "USER") == nullptr;
  const ImageUser user = TRY(resolveUser(root, request.app.user, describe));
  const std::string userName =
      !user.name.empty() ? user.name : (user.uid == 0 ? "root" : std::to_string(user.uid));
  environment =
      completeEnvironment(std::move(environment), userName,
                          user.home.starts_with('/') ? user.home : "/root", request.terminal);
  set(environment, "AC_APP_NAME", request.app.name.text());
  set(environment, "container", "airlock");
  for (const auto& [name, value] : request.service.values) set(environment, name, value);

  LaunchPlan plan;
  plan.rootPath = std::move(request.rootPath);
  plan.program = request.exec.front();
  plan.arguments = request.exec;
  plan.confinement = TRY(planConfinement(root, request, user));
  if (!plan.program.contains('/')) plan.searchPath = *find(environment, "PATH");
  plan.ownPid = std::move(request.service.ownPid);
  std::erase_if(environment, [&](const auto& variable) {
    return std::ranges::find(plan.ownPid, variable.first) != plan.ownPid.end();
  });
  plan.candidates =
      programCandidates(plan.program, plan.confinement.workingDirectory, plan.searchPath);
  for (const auto& [name, value] : environment) plan.environment.push_back(name + "=" + value);
  return plan;
}

namespace {

// What the child uses, prepared before the clone.
struct Child {
  const LaunchPlan& plan;
  const Streams& streams;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<char*> candidates;
  std::vector<char*> pidPlaces;  // in envp, with room for the pid's digits
};

constexpr int kParkingPlace = 512;      // above every number of the contract
constexpr std::size_t kPidDigits = 12;  // of a 32 bit number, and its end

// async-signal-safe from here to the end of the namespace

// Makes the app's root the root of this mount namespace, and lets go of everything else in it.
bool enterRoot(const char* path) {
  return ::chdir(path) == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0 &&
         ::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0;
}

void resetSignals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < 65; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool takeStreams(const Streams& streams, uid_t uid, StartFailure& failure) {
  failure.step = StartStep::Session;
  if (::setsid() < 0) return false;
  failure.step = StartStep::Streams;
  if (::dup2(streams.input, 0) < 0 || ::dup2(streams.output, 1) < 0 ||
      ::dup2(streams.error, 2) < 0) {
    return false;
  }
  if (!streams.terminal) return true;
  failure.step = StartStep::Terminal;
  // The app's user owns its terminal: it may open /dev/console and /dev/pts/0 by name.
  return ::ioctl(0, TIOCSCTTY, 0) == 0 && ::fchown(0, uid, static_cast<gid_t>(-1)) == 0;
}

// Leaves the program its streams and, from 3 on, its sockets: nothing that leads elsewhere.
bool takeDescriptors(const std::vector<int>& sockets) {
  // Their numbers may be among those that they get.
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (::dup3(sockets[i], kParkingPlace + static_cast<int>(i), O_CLOEXEC) < 0) return false;
  }
  int next = 3;
  for (std::size_t i = 0; i < sockets.size(); ++i, ++next) {
    if (::dup2(kParkingPlace + static_cast<int>(i), next) < 0) return false;
  }
  return ::syscall(SYS_close_range, next, ~0U, 0) == 0;
}

void writeOwnPid(const std::vector<char*>& places) {
  for (char* place : places) {
    char digits[kPidDigits];
    std::size_t count = 0;
    for (unsigned left = static_cast<unsigned>(::getpid()); left != 0; left /= 10)
      digits[count++] = static_cast<char>('0' + left % 10);
    while (count != 0) *place++ = digits[--count];
    *place = 0;
  }
}

void execFirst(const Child& child, StartFailure& failure) {
  failure.step = StartStep::Exec;
  failure.number = ENOENT;
  for (std::size_t index = 0; child.candidates[index] != nullptr; ++index) {
    ::execve(child.candidates[index], child.argv.data(), child.envp.data());
    // Of several reasons, the first that is not "there is none here" is the one to tell
    // (execvp(3)).
    if (errno == ENOENT && index > 0) continue;
    const bool searching = errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    if (failure.number == ENOENT) {
      failure.number = errno;
      failure.candidate = static_cast<std::uint16_t>(index);
    }
    if (!searching) return;
  }
}

constexpr int kNoGate = -1;
constexpr int kGatePlace = 3;

// Waits with its streams and the gate alone: an end of another app's pipe here would hide its end
// from whoever reads it.
bool waitAt(int gate) {
  if (::dup2(gate, kGatePlace) < 0 || ::syscall(SYS_close_range, kGatePlace + 1, ~0U, 0) != 0)
    return false;
  char byte;
  ssize_t got;
  do {
    got = ::read(kGatePlace, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) ::_exit(0);  // nobody needs it any more
  return true;
}

[[noreturn]] void runChild(const Child& child, StartReport& report, int gate) {
  const Confinement& confinement = child.plan.confinement;
  StartFailure failure;
  if (gate == kNoGate) resetSignals();
  const auto prepare = [&] {
    // Here, not in clone3: one made there would have the parent's cgroup as its root.
    failure.step = StartStep::CgroupNamespace;
    if (::unshare(CLONE_NEWCGROUP) != 0) return false;
    if (!takeStreams(child.streams, confinement.uid, failure)) return false;
    failure.step = StartStep::Descriptors;
    if (gate != kNoGate) {
      if (!waitAt(gate)) return false;
      resetSignals();
    }
    if (!takeDescriptors(child.streams.sockets)) return false;
    writeOwnPid(child.pidPlaces);
    failure.step = StartStep::Root;
    return enterRoot(child.plan.rootPath.c_str());
  };
  if (!prepare()) {
    failure.number = errno;
  } else if (applyConfinement(confinement, failure)) {
    execFirst(child, failure);
  }
  report.failure = failure;
  report.failed = true;
  ::_exit(127);
}

// L01: what runs has the label that was asked for.  It was read back before the exec; this is the
// kernel's word on what came of it, through the pod's procfs that PID 1 has mounted itself.
Result<void> verifyLabel(const LaunchPlan& plan, pid_t pid) {
  const std::string& wanted = plan.confinement.label;
  if (wanted.empty()) return {};
  const Fd proc = TRY(sandbox::openProc((plan.rootPath + "/proc").c_str()));
  const std::string before = TRY(sandbox::labelOf(proc, ::getpid()));
  constexpr int kLabelMilliseconds = 2'000;
  for (const std::int64_t until = sys::now() + kLabelMilliseconds;;) {
    const std::string label = TRY(sandbox::labelOf(proc, pid));
    if (label == wanted) return {};
    // The clone's wait ends when the old memory is gone, an instant before the new label is there.
    if (label != before || sys::now() > until) {
      return refuse(
          ErrorKind::Failed, "E_SELINUX",
          "the app has the SELinux label " + quoted(label) + " instead of " + quoted(wanted));
    }
    ::sched_yield();
  }
}

}  // namespace

namespace {

using Report = std::unique_ptr<StartReport, UnmapReport>;

Result<Report> shareReport() {
  void* shared = ::mmap(nullptr, sizeof(StartReport), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return failErrno("share memory with a child");
  return Report(new (shared) StartReport{});
}

// `flags` beside a mount namespace of its own.  Returns in the parent.
Result<pid_t> cloneChild(const LaunchPlan& plan, const Streams& streams,
                         std::optional<FdRef> cgroup, StartReport& report, std::uint64_t flags,
                         int gate) {
  Child child{plan,
              streams,
              pointers(plan.arguments),
              pointers(plan.environment),
              pointers(plan.candidates),
              {}};
  std::vector<std::string> ownPid;
  ownPid.reserve(plan.ownPid.size());
  for (const std::string& name : plan.ownPid) {
    std::string& variable = ownPid.emplace_back(name + "=");
    variable.append(kPidDigits, '\0');
    child.envp.insert(child.envp.begin(), variable.data());
    child.pidPlaces.push_back(variable.data() + name.size() + 1);
  }
  clone_args arguments{};
  arguments.flags = CLONE_NEWNS | flags;
  arguments.exit_signal = SIGCHLD;
  if (cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup->get());
  }
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failErrno("clone");
  if (pid == 0) runChild(child, report, gate);
  return static_cast<pid_t>(pid);
}

}  // namespace

void UnmapReport::operator()(StartReport* report) const noexcept {
  ::munmap(report, sizeof *report);
}

Result<StartedApp> startApp(const LaunchPlan& plan, const Streams& streams,
                            std::optional<FdRef> cgroup) {
  const Report report = TRY(shareReport());
  // VFORK: this process goes on when the child has exec'ed or is gone.  The memory is a copy all
  // the same.
  StartedApp started{TRY(cloneChild(plan, streams, cgroup, *report, CLONE_VFORK, kNoGate)),
                     std::nullopt};
  if (report->failed) {
    started.failure = report->failure;
  } else if (auto verified = verifyLabel(plan, started.pid); !verified) {
    ::kill(started.pid, SIGKILL);
    ::waitpid(started.pid, nullptr, 0);
    return std::unexpected(std::move(verified.error()));
  }
  return started;
}

Result<WaitingProgram> startWaiting(const LaunchPlan& plan, const Streams& streams,
                                    std::optional<FdRef> cgroup) {
  sys::Pipe gate = TRY(sys::pipe());
  WaitingProgram program{-1, std::move(gate.writeEnd), TRY(shareReport())};
  program.pid = TRY(cloneChild(plan, streams, cgroup, *program.report, 0, gate.readEnd.get()));
  return program;
}

bool release(WaitingProgram& program) {
  const bool told = program.gate.valid() && ::write(program.gate.get(), "", 1) == 1;
  program.gate.reset();
  return told;
}

}  // namespace airlock::stage1
