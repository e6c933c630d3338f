// SPDX-License-Identifier: Apache-2.0
#include "cli/attached_streams.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include "base/syscall.h"
#include "cli/attach.h"
#include "cli/terminal.h"

namespace airlock::cli {

namespace {

using ipc::StreamMessage;

class Relay {
 public:
  Relay(Fd connection, const AttachedStreams& streams)
      : connection_(std::move(connection)), streams_(streams), reading_(streams.wanted.input) {}

  Result<int> run() {
    std::optional<RawMode> raw;
    std::optional<StopSignals> signals;
    if (streams_.terminal && streams_.wanted.input && isTerminal(input_)) {
      signals.emplace(TRY(StopSignals::block()));
      raw.emplace(TRY(RawMode::enter(input_)));
      sendWindow();
    }
    while (!over_) {
      const bool full = !unsent_.empty();
      std::array<pollfd, 3> events = {
          pollfd{connection_.get(), static_cast<short>(POLLIN | (full ? POLLOUT : 0)), 0},
          pollfd{reading_ && !full ? input_.get() : -1, POLLIN, 0},
          pollfd{signals ? signals->fd().get() : -1, POLLIN, 0}};
      if (::poll(events.data(), events.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return failErrno("wait for the app");
      }
      if ((events[0].revents & POLLOUT) != 0) send(std::exchange(unsent_, {}));
      if ((events[0].revents & (POLLIN | POLLHUP)) != 0) TRY(hear());
      // The kernel has noted a change of the window; anything else means that we are to go.
      if (events[2].revents != 0 && !onlyWindow(signals->fd())) over_ = true;
      if (events[1].revents != 0) readInput(raw.has_value());
    }
    return 0;
  }

 private:
  // True when nothing but changes of the window has come.
  bool onlyWindow(FdRef signals) {
    signalfd_siginfo info{};
    bool only = true;
    while (::read(signals.get(), &info, sizeof info) == sizeof info)
      only = only && info.ssi_signo == SIGWINCH;
    sendWindow();
    return only;
  }

  void sendWindow() {
    winsize size{};
    if (::ioctl(input_.get(), TIOCGWINSZ, &size) != 0) return;
    std::string message(1, static_cast<char>(StreamMessage::Window));
    for (const unsigned short number : {size.ws_row, size.ws_col}) {
      message.push_back(static_cast<char>(number & 0xff));
      message.push_back(static_cast<char>(number >> 8));
    }
    send(std::move(message));
  }

  void readInput(bool watchForEscape) {
    std::array<char, ipc::kStreamChunk> buffer;
    const ssize_t count = ::read(input_.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count <= 0) {
      reading_ = false;
      if (streams_.passEnd) send(std::string(1, static_cast<char>(StreamMessage::End)));
      return;
    }
    const std::string_view typed(buffer.data(), static_cast<std::size_t>(count));
    if (watchForEscape && escape_.feed(typed, sys::now())) {
      over_ = true;
      return;
    }
    send(std::string(1, static_cast<char>(StreamMessage::Input)).append(typed));
  }

  void send(std::string message) {
    const ssize_t sent =
        ::send(connection_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) unsent_ = std::move(message);
    // Anything else is told by the end of the connection.
  }

  Result<void> hear() {
    std::array<char, ipc::kStreamChunk + 1> buffer;
    const ssize_t got = ::recv(connection_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    if (got <= 0) {
      return refuse(ErrorKind::Failed, "E_ATTACH", "the pod has ended the attachment",
                    "It does not wait for an output that nobody reads; attach again if it runs");
    }
    const std::string_view bytes(buffer.data() + 1, static_cast<std::size_t>(got) - 1);
    const auto kind = static_cast<StreamMessage>(buffer[0]);
    if (kind == StreamMessage::Done) over_ = true;
    const int output = kind == StreamMessage::Output   ? STDOUT_FILENO
                       : kind == StreamMessage::Errors ? STDERR_FILENO
                                                       : -1;
    // Somebody who closed our output has seen enough.
    if (output >= 0 && !sys::writeAll(FdRef(output), bytes)) over_ = true;
    return {};
  }

  Fd connection_;
  const AttachedStreams& streams_;
  const FdRef input_{STDIN_FILENO};
  EscapeDetector escape_;
  std::string unsent_;
  bool reading_;
  bool over_ = false;
};

}  // namespace

Result<int> relayAttached(Fd connection, const AttachedStreams& streams) {
  return Relay(std::move(connection), streams).run();
}

}  // namespace airlock::cli
