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
#include <cstring>
#include <span>
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
  if (duty_ != Duty::Entered) releaseSetupMemory();
  while (anyRunning()) {
    waitForNews();
    // Before an end is seen: what an app has said last counts.
    readNotifications();
    readSignals();
    if (leashOpen_) readLeash();
    if (killAt_ && sys::now() >= *killAt_) killApps();
    killLateHandlers();
  }
  streams_.finish();
  leash_.send({.kind = ipc::LeashEvent::Kind::PodExited, .app = {}, .status = result_, .text = {}});
  return result_;
}

// What was added to a sandbox hangs on PID 1 as its children: supervisors, whose apps they know.
bool Supervisor::anyRunning() const {
  if (duty_ == Duty::Sandbox) return !stopping_ || !childless_;
  return std::ranges::any_of(apps_, [](const SupervisedApp& app) {
    return !app.status || app.postStop.state == PostStop::State::Running;
  });
}

void Supervisor::waitForNews() {
  // Without a holder the leash would be readable for ever.  poll(2) passes over -1.
  events_.clear();
  events_.push_back({signals_.get(), POLLIN, 0});
  events_.push_back({leashOpen_ ? leash_.socket().get() : -1, POLLIN, 0});
  for (const SupervisedApp& app : apps_) events_.push_back({app.notify.get(), POLLIN, 0});
  const std::size_t own = events_.size();
  streams_.watch(events_);
  std::int64_t timeout = -1;
  const auto until = [&](std::optional<std::int64_t> time) {
    if (!time) return;
    const auto left = std::clamp<std::int64_t>(*time - sys::now(), 0, limits::kStopMilliseconds);
    timeout = timeout < 0 ? left : std::min(timeout, left);
  };
  until(killAt_);
  until(passOnAt_);
  until(streams_.deadline());
  for (const SupervisedApp& app : apps_)
    if (app.postStop.state == PostStop::State::Running) until(app.postStop.killAt);
  if (::poll(events_.data(), events_.size(), static_cast<int>(timeout)) >= 0)
    streams_.serve(std::span(events_).subspan(own));
}

// A sender outside of the pod has no pid in it.  From inside nobody may stop the pod; its PID 1 may
// stop what was added.
bool Supervisor::isFromOutside(pid_t sender) const {
  return sender == 0 || (sender == 1 && duty_ == Duty::AddedApp);
}

void Supervisor::readSignals() {
  signalfd_siginfo info;
  bool childEnded = false;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      childEnded = true;
    } else if (isFromOutside(static_cast<pid_t>(info.ssi_pid))) {
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
  if (!leashOpen_) app.pending = {};  // nobody is there to hear it
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
    childless_ = pid < 0;
    if (pid <= 0) return;
    const auto app = std::ranges::find_if(
        apps_, [&](const SupervisedApp& each) { return each.pid == pid && !each.status; });
    if (app != apps_.end()) {
      ended(*app, waitStatus);
      continue;
    }
    const auto handled = std::ranges::find_if(apps_, [&](const SupervisedApp& each) {
      return each.postStop.program.pid == pid && each.postStop.state != PostStop::State::Over;
    });
    if (handled != apps_.end()) handlerEnded(*handled, waitStatus);
    // others were orphans that PID 1 inherited
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
  handleEnd(app);
  if (code == 0) return;
  if (result_ == 0) result_ = code;
  if (!stopping_) stop(false);
}

void Supervisor::handleEnd(SupervisedApp& app) {
  PostStop& handler = app.postStop;
  if (handler.state != PostStop::State::Waiting || !release(handler.program)) return;
  handler.state = PostStop::State::Running;
  handler.killAt =
      sys::now() + (stopping_ ? limits::kStopMilliseconds : limits::kPostStopMilliseconds);
}

void Supervisor::handlerEnded(SupervisedApp& app, int waitStatus) {
  PostStop& handler = app.postStop;
  const bool ran = handler.state == PostStop::State::Running;
  const StartReport report = *handler.program.report;
  handler.program = {};
  handler.state = PostStop::State::Over;
  const int code = codeOf(waitStatus);
  if (!ran) {
    warn(app, "its post-stop handler was killed before its time");
  } else if (report.failed) {
    warn(app, "its post-stop handler could not be started: " +
                  std::string(::strerrordesc_np(report.failure.number)));
  } else if (code != 0) {
    warn(app, "its post-stop handler ended with " + std::to_string(code));
  }
}

void Supervisor::killLateHandlers() {
  for (const SupervisedApp& app : apps_) {
    if (app.postStop.state == PostStop::State::Running && sys::now() >= app.postStop.killAt)
      static_cast<void>(::kill(app.postStop.program.pid, SIGKILL));
  }
}

void Supervisor::warn(const SupervisedApp& app, const std::string& text) {
  leash_.send(
      {.kind = ipc::LeashEvent::Kind::Warning, .app = app.name.text(), .status = 0, .text = text});
}

void Supervisor::stop(bool hurry) {
  if (hurry) return killAll();
  if (stopping_) return;
  stopping_ = true;
  killAt_ = sys::now() + limits::kStopMilliseconds;
  for (SupervisedApp& app : apps_) app.postStop.killAt = std::min(app.postStop.killAt, *killAt_);
  for (const SupervisedApp& app : apps_)
    if (!app.status) static_cast<void>(::kill(app.pid, app.stopSignal));
  signalApps(SIGCONT);  // a stopped process would not see it
  if (duty_ != Duty::Sandbox) return;
  // Supervisors stop their apps, then run what is to run after them: a time for each.
  *killAt_ += limits::kStopMilliseconds;
  static_cast<void>(::kill(-1, SIGTERM));
  static_cast<void>(::kill(-1, SIGCONT));
  reap();  // there may be none
}

// The end of patience with the apps; what is to run after them still does.
void Supervisor::killApps() {
  const bool handlers = std::ranges::any_of(apps_, [](const SupervisedApp& app) {
    return app.postStop.state == PostStop::State::Waiting ||
           app.postStop.state == PostStop::State::Running;
  });
  if (!handlers) return killAll();
  killAt_.reset();
  killed_ = true;
  signalApps(SIGKILL);
}

void Supervisor::killAll() {
  killAt_.reset();
  killed_ = true;
  // Everything that the apps have started too: PID 1 is not in its own reach.  (kill(2))
  if (isInit()) static_cast<void>(::kill(-1, SIGKILL));
  signalApps(SIGKILL);
}

void Supervisor::signalApps(int number) {
  for (const SupervisedApp& app : apps_) {
    if (!app.status)
      static_cast<void>(::kill(app.pid, number));  // not reaped, so still that process
  }
}

namespace {

// The leash's or a signal's word that the pod, which is being started, is to stop.
struct Orders {
  bool stop = false;
  bool childEnded = false;
  int signal = 0;  // to be passed on
};

Orders readOrders(FdRef signals, Leash& leash, bool leashReady) {
  Orders orders;
  signalfd_siginfo info;
  while (::read(signals.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      orders.childEnded = true;
    } else if (info.ssi_pid == 0) {
      orders.stop = true;
    }
  }
  ipc::LeashCommand command;
  if (!leashReady) return orders;
  switch (leash.receive(command)) {
    case Leash::Input::Nothing:
      break;
    case Leash::Input::Closed:
      orders.stop = true;
      break;
    case Leash::Input::Command:
      if (command.kind == ipc::LeashCommand::Kind::Stop) {
        orders.stop = true;
      } else {
        orders.signal = command.signal;
      }
      break;
  }
  return orders;
}

}  // namespace

Result<void> waitForPreStart(const AppName& app, pid_t pid, FdRef signals, Leash& leash,
                             AppStreams& streams) {
  std::vector<pollfd> events;
  std::optional<std::int64_t> killAt;
  int waitStatus = 0;
  // Once, before the first news: it may have ended already.
  while (::waitpid(pid, &waitStatus, WNOHANG) == 0) {
    events = {{signals.get(), POLLIN, 0}, {killAt ? -1 : leash.socket().get(), POLLIN, 0}};
    streams.watch(events);
    constexpr int kLookMilliseconds = 1'000;
    if (::poll(events.data(), events.size(), kLookMilliseconds) < 0) continue;
    streams.serve(std::span(events).subspan(2));
    const Orders orders = readOrders(signals, leash, events[1].revents != 0);
    if (orders.signal > 0) static_cast<void>(::kill(pid, orders.signal));
    if (orders.stop && !killAt) {
      killAt = sys::now() + limits::kStopMilliseconds;
      static_cast<void>(::kill(pid, SIGTERM));
      static_cast<void>(::kill(pid, SIGCONT));
    } else if (orders.stop || (killAt && sys::now() >= *killAt)) {
      static_cast<void>(::kill(pid, SIGKILL));
    }
  }
  const int code = codeOf(waitStatus);
  if (code == 0 && !killAt) return {};
  streams.finish();  // of the whole pod, which will not be
  static_cast<void>(writeStatus(FdRef(ipc::kStatusDirFd), app, code, false));
  if (killAt) return refuse(ErrorKind::Failed, "E_PRE_START", "stopped before the app was started");
  return refuse(ErrorKind::Failed, "E_PRE_START",
                "its pre-start handler ended with " + std::to_string(code),
                "What it wrote is where the app's output goes");
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
