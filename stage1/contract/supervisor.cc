// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/supervisor.h"

#include <link.h>
#include <linux/capability.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/syscall.h"
#include "sandbox/credentials.h"
#include "sandbox/policies/init.bpf.h"
#include "sandbox/seccomp.h"
#include "stage1/contract/status_file.h"

namespace airlock::stage1 {

namespace {

constexpr std::size_t kPage = 4096;
// Between two notifications of a pod on the leash: what apps say meanwhile is put together, so that
// no app can fill the leash and keep its holder from hearing of another one.
constexpr std::int64_t kNotifyMilliseconds = 20;

int codeOf(int waitStatus) {
  return WIFSIGNALED(waitStatus) ? 128 + WTERMSIG(waitStatus) : WEXITSTATUS(waitStatus);
}

}  // namespace

Result<Fd> openSignals() {
  sigset_t all;
  sigfillset(&all);
  // A fault of our own must end us, and a blocked one would.  (sigprocmask(2))
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS}) sigdelset(&all, fault);
  if (::sigprocmask(SIG_SETMASK, &all, nullptr) != 0) return failErrno("block signals");
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&wanted, number);
  // What `machinectl poweroff` sends, and its like for halt and reboot (systemd(1), Signals).
  for (const int further : {3, 4, 5}) sigaddset(&wanted, SIGRTMIN + further);
  Fd signals = Fd::own(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid()) return failErrno("signalfd");
  return signals;
}

int Supervisor::run() {
  reap();  // an app may have ended before anyone watched
  // As late as possible: what runs from here on is all that stays in memory.
  if (init_) releaseSetupMemory();
  while (anyRunning()) {
    waitForNews();
    // Before an end is seen: what an app has said last counts.
    readNotifications();
    readSignals();
    if (leashOpen_) readLeash();
    if (killAt_ && sys::now() >= *killAt_) kill();
  }
  leash_.send({.kind = ipc::LeashEvent::Kind::PodExited, .app = {}, .status = result_, .text = {}});
  return result_;
}

bool Supervisor::anyRunning() const {
  return std::ranges::any_of(apps_, [](const SupervisedApp& app) { return !app.status; });
}

void Supervisor::waitForNews() {
  // Without a holder the leash would be readable for ever.  poll(2) passes over -1.
  pollfd events[2 + limits::kApps] = {{signals_.get(), POLLIN, 0},
                                      {leashOpen_ ? leash_.socket().get() : -1, POLLIN, 0}};
  nfds_t count = 2;
  for (const SupervisedApp& app : apps_) events[count++] = {app.notify.get(), POLLIN, 0};
  std::int64_t timeout = -1;
  for (const auto& until : {killAt_, passOnAt_}) {
    if (!until) continue;
    const auto left = std::clamp<std::int64_t>(*until - sys::now(), 0, limits::kStopMilliseconds);
    timeout = timeout < 0 ? left : std::min(timeout, left);
  }
  static_cast<void>(::poll(events, count, static_cast<int>(timeout)));
}

void Supervisor::readSignals() {
  signalfd_siginfo info;
  bool childEnded = false;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      childEnded = true;
    } else if (info.ssi_pid == 0) {
      // A sender outside of the pod has no pid in it.  From inside nobody may stop the pod.
      stop(std::exchange(signalled_, true));
    }
  }
  if (childEnded) reap();
}

void Supervisor::readLeash() {
  ipc::LeashCommand command;
  switch (leash_.receive(command)) {
    case Leash::Input::Nothing:
      return;
    case Leash::Input::Closed:
      leashOpen_ = false;
      if (!stopping_) stop(false);
      return;
    case Leash::Input::Command:
      break;
  }
  switch (command.kind) {
    case ipc::LeashCommand::Kind::Stop:
      stop(std::exchange(told_, true));
      return;
    case ipc::LeashCommand::Kind::Signal:
      if (command.signal > 0 && command.signal < 65) signalApps(command.signal);
      return;
  }
}

void Supervisor::readNotifications() {
  passOnAt_.reset();
  const bool soon = sys::now() < passedOnAt_ + kNotifyMilliseconds;
  for (SupervisedApp& app : apps_) {
    if (!app.notify.valid()) continue;
    receiveNotifications(app.notify, app.pid, app.pending);
    if (app.pending.said != 0 && !soon) passOn(app);
    if (app.pending.said != 0) passOnAt_ = sys::now() + kNotifyMilliseconds;
  }
}

void Supervisor::passOn(SupervisedApp& app) {
  if (app.pending.said == 0) return;
  passedOnAt_ = sys::now();
  // Not taken: said again later.
  if (leash_.send({.kind = ipc::LeashEvent::Kind::Notify,
                   .app = app.name.text(),
                   .status = 0,
                   .text = app.pending.status,
                   .notify = app.pending.said})) {
    app.pending = {};
  }
}

void Supervisor::reap() {
  for (;;) {
    int waitStatus = 0;
    const pid_t pid = ::waitpid(-1, &waitStatus, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    const auto app = std::ranges::find_if(
        apps_, [&](const SupervisedApp& each) { return each.pid == pid && !each.status; });
    if (app != apps_.end()) ended(*app, waitStatus);  // others were orphans that PID 1 inherited
  }
}

void Supervisor::ended(SupervisedApp& app, int waitStatus) {
  const int code = codeOf(waitStatus);
  app.status = code;
  if (app.notify.valid()) {
    receiveNotifications(app.notify, app.pid, app.pending);
    passOn(app);
    app.notify.reset();
  }
  // A SIGKILL of ours is none of the kernel's.
  const bool ranOut = code == 128 + SIGKILL && !killed_ && app.memory.ranOut();
  if (statusDir_.valid()) static_cast<void>(writeStatus(statusDir_, app.name, code, ranOut));
  if (ranOut) {
    leash_.send({.kind = ipc::LeashEvent::Kind::OomKilled,
                 .app = app.name.text(),
                 .status = code,
                 .text = app.memory.reason()});
  }
  leash_.send({.kind = ipc::LeashEvent::Kind::AppExited,
               .app = app.name.text(),
               .status = code,
               .text = {}});
  if (code == 0) return;
  if (result_ == 0) result_ = code;
  if (!stopping_) stop(false);
}

void Supervisor::stop(bool hurry) {
  if (hurry) return kill();
  if (stopping_) return;
  stopping_ = true;
  killAt_ = sys::now() + limits::kStopMilliseconds;
  signalApps(SIGTERM);
  signalApps(SIGCONT);  // a stopped process would not see it
}

void Supervisor::kill() {
  killAt_.reset();
  killed_ = true;
  // Everything that the apps have started too: PID 1 is not in its own reach.  (kill(2))
  if (init_) static_cast<void>(::kill(-1, SIGKILL));
  signalApps(SIGKILL);
}

void Supervisor::signalApps(int number) {
  for (const SupervisedApp& app : apps_) {
    if (!app.status)
      static_cast<void>(::kill(app.pid, number));  // not reaped, so still that process
  }
}

Result<void> giveUpSetupRights() {
  TRY(sandbox::keepOnlyCapabilities(sandbox::capability(CAP_KILL)));
  TRY(sandbox::setNoNewPrivileges());
  return sandbox::installFilter(sandbox::policies::kInit);
}

namespace {

// Clean pages of the program come back from the page cache when they are needed again.
int releaseProgramPages(dl_phdr_info* info, std::size_t, void*) {
  for (int index = 0; index < info->dlpi_phnum; ++index) {
    const auto& part = info->dlpi_phdr[index];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
    const auto begin = info->dlpi_addr + part.p_vaddr;
    // madvise(2) rounds the end up to a whole page, and wants the begin to be one.
    void* const page = reinterpret_cast<void*>(begin & ~(kPage - 1));
    static_cast<void>(::madvise(page, part.p_memsz + begin % kPage, MADV_DONTNEED));
  }
  return 1;  // the program itself comes first, and a static one is all there is
}

}  // namespace

void releaseSetupMemory() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(releaseProgramPages, nullptr);
}

}  // namespace airlock::stage1
