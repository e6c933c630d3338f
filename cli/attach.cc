// SPDX-License-Identifier: Apache-2.0
#include "cli/attach.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/terminal.h"
#include "cli/text_output.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kChunk = 16 * 1024;
constexpr int kLastChunks = 64;  // more than the kernel keeps of a terminal's output
constexpr int kEndMilliseconds =
    15'000;  // stage1 kills what is left ten seconds after its leash has closed
constexpr char kEndOfInput = 0x04;  // termios(3), VEOF

sigset_t stopSet() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT, SIGPIPE}) {
    ::sigaddset(&set, number);
  }
  return set;
}

// Bytes in both directions between the caller and the master side of the pod's terminal.
class Relay {
 public:
  Relay(FdRef input, FdRef output) : input_(input), output_(output) {}

  Result<void> open(Fd master) {
    const int flags = ::fcntl(master.get(), F_GETFL);
    if (flags < 0 || ::fcntl(master.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
      return failErrno("prepare the pod's terminal");
    }
    master_ = std::move(master);
    copyWindowSize(input_, master_);
    if (isTerminal(input_)) raw_.emplace(TRY(RawMode::enter(input_)));
    return {};
  }
  void resized() {
    if (master_.valid()) copyWindowSize(input_, master_);
  }
  pollfd inputEvents() const {
    const bool wanted = master_.valid() && !inputEnded_ && pending_.empty();
    return {wanted ? input_.get() : -1, POLLIN, 0};
  }
  pollfd masterEvents() const {
    const short events = pending_.empty() ? POLLIN : POLLIN | POLLOUT;
    return {master_.valid() ? master_.get() : -1, events, 0};
  }

  // True when the escape was typed.
  bool readInput() {
    std::array<char, kChunk> buffer;
    const ssize_t count = ::read(input_.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    if (count <= 0) {
      inputEnded_ = true;
      pending_.push_back(kEndOfInput);
      return false;
    }
    const std::string_view typed(buffer.data(), static_cast<std::size_t>(count));
    pending_.append(typed);
    return raw_ && escape_.feed(typed, sys::now());
  }
  void writeMaster() {
    if (pending_.empty()) return;
    const ssize_t count = ::write(master_.get(), pending_.data(), pending_.size());
    if (count > 0) pending_.erase(0, static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR && errno != EAGAIN) pending_.clear();
  }
  // What the pod has written: at most `chunks` of it, so that a pod that never stops writing keeps
  // nobody from being heard.
  void readMaster(int chunks) {
    std::array<char, kChunk> buffer;
    for (; master_.valid() && chunks > 0; --chunks) {
      const ssize_t count = ::read(master_.get(), buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) return master_.reset();  // EIO: no process has the other side any more
      const std::string_view written(buffer.data(), static_cast<std::size_t>(count));
      // Somebody who closed our output must not keep the pod from running on.
      if (outputOpen_) outputOpen_ = sys::writeAll(output_, written).has_value();
    }
  }
  bool isOpen() const { return master_.valid(); }
  void close() {
    readMaster(kLastChunks);
    raw_.reset();
    master_.reset();
  }

 private:
  FdRef input_;
  FdRef output_;
  Fd master_;
  std::optional<RawMode> raw_;
  EscapeDetector escape_;
  std::string pending_;
  bool inputEnded_ = false;
  bool outputOpen_ = true;
};

class Holder {
 public:
  Holder(const Attachment& attachment, ipc::Channel& leash)
      : attachment_(attachment), leash_(leash), relay_(attachment.input, attachment.output) {
    if (attachment.escape) watch_.emplace(attachment.input);
  }

  Result<Ending> hold() {
    while (leashOpen_) TRY(serve());
    const bool ended = TRY(sys::pidfdWait(attachment_.process, kEndMilliseconds));
    relay_.close();
    watch_.reset();
    for (const std::string& text : notes_) inform(text);  // now that no terminal is in raw mode
    const std::optional<ExitStatusOfChild> reaped = ended ? reap() : std::nullopt;
    if (failure_) return refuse(ErrorKind::Failed, "E_STAGE1", *failure_);
    if (exited_) return Ending{*exited_, escaped_, told_};
    if (reaped && !reaped->bySignal) return Ending{reaped->code, escaped_, told_};
    return Ending{128 + SIGKILL, true, told_};
  }

 private:
  struct ExitStatusOfChild {
    int code;
    bool bySignal;
  };

  Result<void> serve() {
    std::array<pollfd, 5> events = {
        pollfd{leash_.fd().get(), POLLIN, 0}, pollfd{attachment_.signals.get(), POLLIN, 0},
        relay_.masterEvents(), relay_.inputEvents(), pollfd{watch_ ? watch_->fd() : -1, POLLIN, 0}};
    if (::poll(events.data(), events.size(), -1) < 0) {
      if (errno == EINTR) return {};
      return failErrno("wait for the pod");
    }
    if (events[2].revents != 0) {
      if ((events[2].revents & POLLOUT) != 0) relay_.writeMaster();
      relay_.readMaster(1);
    }
    const bool typed = (events[3].revents != 0 && relay_.readInput()) ||
                       (events[4].revents != 0 && watch_->read());
    if (typed) {
      escaped_ = true;
      kill();
    }
    if (events[1].revents != 0) TRY(readSignal());
    if (events[0].revents != 0) TRY(readLeash());
    return {};
  }

  Result<void> readSignal() {
    signalfd_siginfo info{};
    if (::read(attachment_.signals.get(), &info, sizeof info) != sizeof info) return {};
    if (info.ssi_signo == SIGWINCH) {
      relay_.resized();
    } else if (info.ssi_signo == SIGCONT) {
      if (watch_) watch_->resume();
    } else if (info.ssi_signo != SIGPIPE) {  // our own, from an output that nobody reads any more
      told_ = told_ || info.ssi_signo == SIGTERM;
      stop();
    }
    return {};
  }

  // A second Stop makes stage1 hurry.  When it does not listen any more its end of the leash is
  // closed, and we see that.
  void stop() {
    if (attachment_.notifier != nullptr) attachment_.notifier->podStops();
    static_cast<void>(leash_.send(ipc::encode(ipc::LeashCommand{})));
  }

  void kill() {
    if (sys::pidfdSignal(attachment_.process, SIGKILL)) return;
    // Not ours to signal: the pod's users are others.  Its PID 1 does it for us.
    stop();
    stop();
  }

  Result<void> readLeash() {
    auto message = leash_.receive(0);
    if (!message && message.error().code() == "E_TIMEOUT") return {};
    if (!message || !*message) {
      leashOpen_ = false;
      return {};
    }
    auto event = ipc::decodeLeashEvent((*message)->bytes);
    if (!event) {  // a pod that says what nobody understands is not believed any more
      leashOpen_ = false;
      kill();
      return {};
    }
    switch (event->kind) {
      case ipc::LeashEvent::Kind::Ready:
        if (attachment_.notifier != nullptr) attachment_.notifier->podIsReady();
        if (attachment_.onReady) attachment_.onReady();
        return {};
      case ipc::LeashEvent::Kind::Notify:
        if (attachment_.notifier != nullptr) attachment_.notifier->appSays(*event);
        return {};
      case ipc::LeashEvent::Kind::AppExited:
        return {};
      case ipc::LeashEvent::Kind::OomKilled:
        if (notes_.size() < limits::kApps) {
          notes_.push_back("app \"" + printable(event->app) +
                           "\" was killed: " + printable(event->text));
        }
        return {};
      case ipc::LeashEvent::Kind::Warning:
        if (notes_.size() < 2 * limits::kApps)
          notes_.push_back("app \"" + printable(event->app) + "\": " + printable(event->text));
        return {};
      case ipc::LeashEvent::Kind::Failed:
        failure_ = printable(event->text);
        return {};
      case ipc::LeashEvent::Kind::PodExited:
        exited_ = event->status & 0xff;
        return {};
      case ipc::LeashEvent::Kind::Terminal:
        return openTerminal((*message)->fds);
    }
    return {};
  }

  Result<void> openTerminal(ipc::FdTable& fds) {
    if (!attachment_.terminal || relay_.isOpen() || fds.size() != 1) return {};
    Fd master = TRY(fds.take(0));
    if (!isTerminal(master)) return {};
    return relay_.open(std::move(master));
  }

  // Root's pod is our child; a user's is the helper's, and init reaps it.
  std::optional<ExitStatusOfChild> reap() {
    siginfo_t info{};
    const auto process = static_cast<id_t>(attachment_.process.get());
    if (::waitid(P_PIDFD, process, &info, WEXITED | WNOHANG | __WALL) != 0 || info.si_pid == 0) {
      return std::nullopt;
    }
    return ExitStatusOfChild{info.si_status, info.si_code != CLD_EXITED};
  }

  const Attachment& attachment_;
  ipc::Channel& leash_;
  Relay relay_;
  std::optional<EscapeWatch> watch_;
  bool leashOpen_ = true;
  bool escaped_ = false;
  bool told_ = false;
  std::optional<int> exited_;
  std::optional<std::string> failure_;
  std::vector<std::string> notes_;  // for the caller, at the end
};

}  // namespace

Result<StopSignals> StopSignals::block() {
  const sigset_t set = stopSet();
  Fd fd = Fd::own(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return failErrno("signalfd");
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return failErrno("sigprocmask");
  return StopSignals(std::move(fd));
}

StopSignals::StopSignals(StopSignals&& other) noexcept : fd_(std::move(other.fd_)) {}

StopSignals::~StopSignals() {
  if (!fd_.valid()) return;
  // What came for a pod that has ended must not end us instead of its exit code.
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) continue;
  const sigset_t set = stopSet();
  static_cast<void>(::sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

Result<Ending> holdLeash(const Attachment& attachment, ipc::Channel& leash) {
  return Holder(attachment, leash).hold();
}

int exitAs(const Ending& ending) {
  if (!ending.told || ending.code != 128 + SIGTERM) return ending.code;
  std::fflush(nullptr);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::signal(SIGTERM, SIG_DFL);
  static_cast<void>(::sigprocmask(SIG_UNBLOCK, &set, nullptr));
  ::raise(SIGTERM);
  return ending.code;
}

}  // namespace airlock::cli
