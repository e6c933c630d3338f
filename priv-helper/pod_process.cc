// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/pod_process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/limits.h"
#include "base/syscall.h"
#include "ipc/channel.h"
#include "sandbox/exec_label.h"
#include "sandbox/rlimits.h"

namespace airlock::helper {

namespace {

// The kernel takes 253 descriptors in one message (unix(7), SCM_MAX_FD); a pod has at most this
// many.
constexpr std::size_t kMostDescriptors = 160;
constexpr int kParkingPlace = 512;  // where descriptors wait, above every number of the contract
constexpr int kStartMilliseconds = 20'000;

struct Handover {
  std::uint32_t count;
  std::array<int, kMostDescriptors>
      numbers;  // in stage1; the program itself comes last and is not counted
};
struct StartFailure {
  int number;
  char step[40];
};

// --- async-signal-safe: what runs between clone and exec
// -----------------------------------------------------------

[[noreturn]] void giveUp(int control, const char* step) {
  StartFailure failure{};
  failure.number = errno;
  std::strncpy(failure.step, step, sizeof failure.step - 1);
  static_cast<void>(::send(control, &failure, sizeof failure, MSG_NOSIGNAL));
  ::_exit(127);
}

// The pod's root, in its own user namespace: no group of the host's, no identity of the helper's.
void becomePodRoot(int control) {
  if (::setgroups(0, nullptr) != 0) giveUp(control, "setgroups");
  if (::setresgid(0, 0, 0) != 0) giveUp(control, "setresgid");
  if (::setresuid(0, 0, 0) != 0) giveUp(control, "setresuid");
}

[[noreturn]] void receiveAndExec(int control, const char* entryPoint,
                                 const sandbox::ExecLabel& label) {
  Handover handover;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * (kMostDescriptors + 1))> buffer;
  iovec data{&handover, sizeof handover};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = buffer.data();
  message.msg_controllen = buffer.size();
  ssize_t got;
  do {
    got = ::recvmsg(control, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof handover) || (message.msg_flags & MSG_CTRUNC) != 0)
    ::_exit(127);
  std::array<int, kMostDescriptors + 1> fds;
  std::memcpy(fds.data(), CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int) * (handover.count + 1));

  if (!label.set()) giveUp(control, "set its SELinux label");
  becomePodRoot(control);
  resetSignals();
  ::umask(022);
  if (::setsid() < 0 && errno != EPERM) giveUp(control, "setsid");

  control = ::fcntl(control, F_DUPFD_CLOEXEC, kParkingPlace);
  if (control < 0) ::_exit(127);
  for (std::uint32_t i = 0; i <= handover.count; ++i) {
    fds[i] = ::fcntl(fds[i], F_DUPFD_CLOEXEC, kParkingPlace);
    if (fds[i] < 0) giveUp(control, "park a descriptor");
  }
  ::syscall(SYS_close_range, 3, kParkingPlace - 1, 0);
  for (std::uint32_t i = 0; i < handover.count; ++i) {
    if (::dup2(fds[i], handover.numbers[i]) < 0) giveUp(control, "place a descriptor");
  }
  char name[] = "airlock-stage1";
  std::array<char, 8> entry{};
  std::strncpy(entry.data(), entryPoint, entry.size() - 1);
  char* argv[] = {name, entry.data(), nullptr};
  char* envp[] = {nullptr};
  ::syscall(SYS_execveat, fds[handover.count], "", argv, envp, AT_EMPTY_PATH);
  giveUp(control, "exec stage1");
}

bool sendWith(int socket, void* bytes, std::size_t size, const int* fds, std::size_t count) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * (kMostDescriptors + 1))> buffer{};
  iovec data{bytes, size};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = buffer.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * count);
  std::memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

// Joins the pod, and leaves a process in it whose parent dies there: it becomes the child of the
// pod's PID 1, which reaps it.  A child of ours would be left to the host's init, and its remains
// would keep the pod's own PID 1 from ending.
[[noreturn]] void joinAndExec(const WaitingEntrant::Options& options, int control, int handback,
                              const sandbox::ExecLabel& label) {
  const int spaces = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                     (options.hostNetwork ? 0 : CLONE_NEWNET);
  if (::setns(options.target.get(), spaces) != 0) giveUp(control, "join the pod's namespaces");
  clone_args plain{};
  plain.exit_signal = SIGCHLD;
  const long between = ::syscall(SYS_clone3, &plain, sizeof plain);
  if (between < 0) giveUp(control, "clone into the pod");
  if (between == 0) {
    int pidfd = -1;
    plain.flags = CLONE_PIDFD;
    plain.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    const long entered = ::syscall(SYS_clone3, &plain, sizeof plain);
    if (entered < 0) giveUp(control, "clone inside the pod");
    if (entered == 0) receiveAndExec(control, options.entryPoint, label);
    char byte = 0;
    ::_exit(sendWith(handback, &byte, 1, &pidfd, 1) ? 0 : 127);
  }
  int status = 0;
  while (::waitpid(static_cast<pid_t>(between), &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(0);
}

// --- the helper's side
// ----------------------------------------------------------------------------------------------

Result<void> handOver(FdRef control, FdRef program,
                      std::vector<std::pair<int, FdRef>> descriptors) {
  // From here, not opened by the new process: the root of a pod's first process has no /dev.
  const Fd null = TRY(sys::openPath("/dev/null", O_RDWR));
  for (const int standard : {0, 1, 2}) descriptors.emplace_back(standard, null);
  if (descriptors.size() > kMostDescriptors) {
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "the pod needs more descriptors than stage1 can be given");
  }
  Handover handover{};
  handover.count = static_cast<std::uint32_t>(descriptors.size());
  std::array<int, kMostDescriptors + 1> fds;
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    handover.numbers[i] = descriptors[i].first;
    fds[i] = descriptors[i].second.get();
  }
  fds[descriptors.size()] = program.get();

  if (!sendWith(control.get(), &handover, sizeof handover, fds.data(), descriptors.size() + 1)) {
    return failErrno("hand descriptors to stage1");
  }
  return {};
}

// Trap: the caller may freeze or kill its cgroup in between, so silence is a failure too.
Result<void> waitForExec(FdRef control) {
  const timeval patience{kStartMilliseconds / 1000, 0};
  ::setsockopt(control.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  StartFailure failure{};
  ssize_t got;
  do {
    got = ::recv(control.get(), &failure, sizeof failure, 0);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return {};  // closed by exec
  if (got != static_cast<ssize_t>(sizeof failure)) {
    return refuse(ErrorKind::Failed, "E_START", "stage1 did not start in time");
  }
  failure.step[sizeof failure.step - 1] = 0;
  return fail(Error::fromErrno(failure.number, std::string("start stage1: ") + failure.step)
                  .withCode("E_START"));
}

}  // namespace

Result<WaitingPod> WaitingPod::clone(const Options& options) {
  const auto label = TRY(sandbox::ExecLabel::prepare(options.label));
  sys::SocketPair control = TRY(sys::socketPair());
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags =
      CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  if (!options.hostNetwork) arguments.flags |= CLONE_NEWNET;
  if (options.cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;  // R16: in its cgroup before its first instruction
    arguments.cgroup = static_cast<std::uint64_t>(options.cgroup->get());
  }
  // With CLONE_PARENT the signal must be 0; the kernel then takes ours, SIGCHLD (clone(2)).
  if (options.childOfCaller) {
    arguments.flags |= CLONE_PARENT;
  } else {
    arguments.exit_signal = SIGCHLD;
  }
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failErrno("clone the pod's first process");
  if (pid == 0) {
    ::close(control.first.get());  // so that the helper's death ends the wait
    receiveAndExec(control.second.get(), "run", label);
  }
  WaitingPod pod(Child(static_cast<pid_t>(pid), Fd::own(pidfd)), std::move(control.first));
  TRY(inContext(writeIdMaps(pod.pid(), {0, 0, options.range.first, limits::kPodUids}),
                "map the pod's users"));
  return pod;
}

Result<Child> WaitingPod::exec(FdRef program,
                               const std::vector<std::pair<int, FdRef>>& descriptors) && {
  TRY(handOver(control_, program, descriptors));
  TRY(waitForExec(control_));
  return std::move(child_);
}

Result<WaitingEntrant> WaitingEntrant::join(const Options& options) {
  const auto execLabel = TRY(sandbox::ExecLabel::prepare(options.label));
  sys::SocketPair control = TRY(sys::socketPair());
  sys::SocketPair handback = TRY(sys::socketPair());
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (options.cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;  // R03: what enters a pod counts as the pod
    arguments.cgroup = static_cast<std::uint64_t>(options.cgroup->get());
  }
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failErrno("clone the entering process");
  if (pid == 0) {
    ::close(control.first.get());
    joinAndExec(options, control.second.get(), handback.second.get(), execLabel);
  }
  Child joiner(static_cast<pid_t>(pid), Fd::own(pidfd));
  control.second.reset();
  handback.second.reset();
  // It is in the caller's cgroup, and may be frozen or killed there at any step.
  const auto joined = TRY(joiner.wait(kStartMilliseconds));
  if (!joined) return refuse(ErrorKind::Failed, "E_START", "the pod was not joined in time");
  ipc::Channel channel(std::move(handback.first));
  auto message = TRY(channel.receive(0));
  if (!message) {
    TRY(waitForExec(control.first));
    return refuse(ErrorKind::Failed, "E_START", "the pod's namespaces could not be joined");
  }
  WaitingEntrant entrant(TRY(message->fds.take(0)), std::move(control.first));
  // R01: those of whoever started the pod, not ours.
  TRY(sandbox::takeLimitsOf(TRY(sys::pidOf(options.target)), TRY(sys::pidOf(entrant.pidfd()))));
  return entrant;
}

Result<Fd> WaitingEntrant::exec(FdRef program,
                                const std::vector<std::pair<int, FdRef>>& descriptors) && {
  auto started = handOver(control_, program, descriptors);
  if (started) started = waitForExec(control_);
  if (started) return std::move(pidfd_);
  static_cast<void>(sys::pidfdSignal(pidfd_, SIGKILL));
  return std::unexpected(std::move(started.error()));
}

}  // namespace airlock::helper
