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

#include "base/limits.h"
#include "base/syscall.h"
#include "sandbox/credentials.h"
#include "sandbox/policies/init.bpf.h"
#include "sandbox/seccomp.h"
#include "stage1/contract/status_file.h"

namespace airlock::stage1 {

namespace {

constexpr std::size_t kPage = 4096;

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
  pollfd events[] = {{signals_.get(), POLLIN, 0}, {leash_.socket().get(), POLLIN, 0}};
  int timeout = -1;
  if (killAt_) {
    timeout = static_cast<int>(
        std::clamp<std::int64_t>(*killAt_ - sys::now(), 0, limits::kStopMilliseconds));
  }
  // Without a holder the leash would be readable for ever.
  static_cast<void>(::poll(events, leashOpen_ ? 2 : 1, timeout));
}

void Supervisor::readSignals() {
  signalfd_siginfo info;
  bool childEnded = false;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      childEnded = true;
    } else if (info.ssi_pid == 0) {
      // A sender outside of the pod has no pid in it.  From inside nobody may stop the pod.
      stop(stopping_);
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
      stop(stopping_);
      return;
    case ipc::LeashCommand::Kind::Signal:
      if (command.signal > 0 && command.signal < 65) signalApps(command.signal);
      return;
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
