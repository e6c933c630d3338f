// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/app_streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::stage1 {

namespace {

using ipc::StreamMessage;
using ipc::StreamMode;

constexpr int kAcceptedAtOnce = 8;
constexpr int kMessagesAtOnce = 4;
constexpr int kFinishMilliseconds = 20;  // between two looks at who is held up, at the end
constexpr char kEndOfInput = 0x04;       // termios(3), VEOF
constexpr std::size_t kWindowBytes = 4;

std::string messageOf(StreamMessage kind, std::string_view bytes = {}) {
  std::string message(1, static_cast<char>(kind));
  return message.append(bytes);
}

Result<void> dontBlock(FdRef fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return failErrno("prepare a stream");
  return {};
}

// Best effort: without it an app of another user cannot open /dev/stdout by that name.
void give(FdRef end, uid_t owner) {
  static_cast<void>(!::fchown(end.get(), owner, static_cast<gid_t>(-1)));
}

void resize(FdRef master, std::string_view bytes) {
  if (bytes.size() != kWindowBytes) return;
  const auto number = [&](std::size_t at) {
    return static_cast<unsigned short>(static_cast<unsigned char>(bytes[at]) |
                                       static_cast<unsigned char>(bytes[at + 1]) << 8);
  };
  winsize size{};
  size.ws_row = number(0);
  size.ws_col = number(2);
  static_cast<void>(::ioctl(master.get(), TIOCSWINSZ, &size));
}

}  // namespace

Result<AppStreams::Ends> AppStreams::open(const ipc::AppSpec& app, uid_t owner,
                                          TerminalPair terminal) {
  Ends ends;
  if (terminal.master.valid()) {
    TRY(dontBlock(terminal.master));
    give(terminal.slave, owner);
    const auto place = [&](StreamMode mode, Fd& end) -> Result<void> {
      if (mode == StreamMode::Tty) end = TRY(sys::duplicate(terminal.slave));
      return {};
    };
    TRY(place(app.input, ends.input));
    TRY(place(app.output, ends.output));
    TRY(place(app.errors, ends.errors));
    if (app.input == StreamMode::Tty)
      inputs_.push_back({app.name, TRY(sys::duplicate(terminal.master)), true, {}, false});
    outputs_.push_back({app.name, false, std::move(terminal.master), nullptr, LogLines("stdout")});
  }
  if (app.input == StreamMode::Stream) ends.input = TRY(openInput(app, owner));
  if (app.output == StreamMode::Stream || app.output == StreamMode::Log)
    ends.output = TRY(openOutput(app, false, app.output, owner));
  if (app.errors == StreamMode::Stream || app.errors == StreamMode::Log)
    ends.errors = TRY(openOutput(app, true, app.errors, owner));
  return ends;
}

Result<Fd> AppStreams::openOutput(const ipc::AppSpec& app, bool errors, StreamMode mode,
                                  uid_t owner) {
  sys::Pipe pipe = TRY(sys::pipe());
  TRY(dontBlock(pipe.readEnd));
  give(pipe.writeEnd, owner);
  outputs_.push_back({app.name, errors, std::move(pipe.readEnd),
                      mode == StreamMode::Log ? logOf(app.name) : nullptr,
                      LogLines(errors ? "stderr" : "stdout")});
  return std::move(pipe.writeEnd);
}

Result<Fd> AppStreams::openInput(const ipc::AppSpec& app, uid_t owner) {
  sys::Pipe pipe = TRY(sys::pipe());
  TRY(dontBlock(pipe.writeEnd));
  give(pipe.readEnd, owner);
  inputs_.push_back({app.name, std::move(pipe.writeEnd), false, {}, false});
  return std::move(pipe.readEnd);
}

LogFile* AppStreams::logOf(const AppName& app) {
  for (auto& [name, log] : logs_)
    if (name == app) return log.get();
  return logs_.emplace_back(app, std::make_unique<LogFile>(logDirectory_, app)).second.get();
}

AppStreams::Input* AppStreams::inputOf(const AppName& app) {
  const auto input = std::ranges::find_if(
      inputs_, [&](const Input& each) { return each.app == app && each.end.valid(); });
  return input == inputs_.end() ? nullptr : &*input;
}

void AppStreams::started(const AppName& app, pid_t pid) {
  for (auto& [name, log] : logs_)
    if (name == app) log->notePid(pid);
}

void AppStreams::watch(std::vector<pollfd>& events) {
  if (!attachSocket_.valid()) return;
  events.push_back({attachSocket_.get(), POLLIN, 0});
  for (const Attachment& each : attachments_) {
    const int wanted = (isBackedUp(each) ? 0 : POLLIN) | (each.unsent.empty() ? 0 : POLLOUT);
    events.push_back({each.socket.get(), static_cast<short>(wanted), 0});
  }
  for (const Output& each : outputs_)
    events.push_back({isHeldUp(each) ? -1 : each.end.get(), POLLIN, 0});
  for (const Input& each : inputs_) {
    const short wanted = each.pending.empty() ? 0 : POLLOUT;
    events.push_back({each.end.get(), wanted, 0});
  }
}

void AppStreams::serve(std::span<const pollfd> events) {
  if (events.empty()) return;
  std::size_t next = 1;
  for (Attachment& each : attachments_) {
    const short came = events[next++].revents;
    if ((came & POLLOUT) != 0) flush(each);
    if ((came & POLLIN) != 0) {
      receive(each);
    } else if ((came & (POLLHUP | POLLERR)) != 0) {
      each.socket.reset();
    }
  }
  for (Output& each : outputs_)
    if (events[next++].revents != 0 && !isHeldUp(each)) read(each);
  for (Input& each : inputs_)
    if (events[next++].revents != 0 || each.ending) write(each);
  dropStalled();
  endFinished();
  if (events[0].revents != 0) accept();
}

std::optional<std::int64_t> AppStreams::deadline() const {
  std::optional<std::int64_t> first;
  for (const Attachment& each : attachments_) {
    if (each.unsent.empty()) continue;
    const std::int64_t at = each.stalledAt + limits::kStallMilliseconds;
    first = std::min(first.value_or(at), at);
  }
  return first;
}

void AppStreams::finish() {
  const std::int64_t until = sys::now() + limits::kStallMilliseconds;
  std::vector<pollfd> events;
  while (attachSocket_.valid() && sys::now() < until) {
    events.clear();
    watch(events);
    events[0].fd = -1;  // nobody comes any more
    const bool waiting = deadline().has_value();
    const int came = ::poll(events.data(), events.size(), waiting ? kFinishMilliseconds : 0);
    if (came <= 0 && !waiting) break;
    serve(events);
  }
  for (Output& each : outputs_) {
    if (each.log != nullptr) each.log->append(each.lines.finish(sys::wallClock()));
    each.end.reset();
  }
  for (Input& each : inputs_) each.end.reset();
  endFinished();
  attachments_.clear();
}

// --- who attaches

void AppStreams::accept() {
  for (int count = 0; count < kAcceptedAtOnce; ++count) {
    Fd socket =
        Fd::own(::accept4(attachSocket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) return;
    // One too many is closed again.
    if (attachments_.size() < limits::kAttachments)
      attachments_.push_back({std::move(socket), std::nullopt, {}, 0});
  }
}

void AppStreams::receive(Attachment& from) {
  // PID 1 serves one thing at a time, and its stack is what stays in memory.
  static std::array<char, ipc::kStreamChunk + 1> buffer;
  for (int count = 0; count < kMessagesAtOnce && from.socket.valid() && !isBackedUp(from);
       ++count) {
    // Descriptors that come along find no room, and the kernel closes them.
    const ssize_t got = ::recv(from.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return from.socket.reset();
    obey(from, {buffer.data(), static_cast<std::size_t>(got)});
  }
}

void AppStreams::obey(Attachment& from, std::string_view message) {
  if (!from.wanted) {
    auto wanted = ipc::decodeAttachSpec(message);
    if (!wanted) return from.socket.reset();
    from.wanted = *std::move(wanted);
    return;
  }
  if (!from.wanted->input) return;
  Input* input = inputOf(from.wanted->app);
  if (input == nullptr) return;
  switch (static_cast<StreamMessage>(message.front())) {
    case StreamMessage::Input:
      input->pending.append(message.substr(1));
      return;
    case StreamMessage::End:
      if (input->terminal) {
        input->pending.push_back(kEndOfInput);
      } else {
        input->ending = true;
      }
      return;
    case StreamMessage::Window:
      if (input->terminal) resize(input->end, message.substr(1));
      return;
    case StreamMessage::Output:
    case StreamMessage::Errors:
    case StreamMessage::Done:
      return;  // ours to say
  }
}

bool AppStreams::isBackedUp(const Attachment& attachment) {
  if (!attachment.wanted || !attachment.wanted->input) return false;
  const Input* input = inputOf(attachment.wanted->app);
  return input != nullptr && input->pending.size() >= limits::kInputBytes;
}

bool AppStreams::reaches(const Output& output, const Attachment& attachment) const {
  return output.end.valid() && attachment.wanted && attachment.wanted->app == output.app &&
         output.log == nullptr &&
         (output.errors ? attachment.wanted->errors : attachment.wanted->output);
}

bool AppStreams::isHeldUp(const Output& output) const {
  return std::ranges::any_of(attachments_, [&](const Attachment& each) {
    return !each.unsent.empty() && reaches(output, each);
  });
}

void AppStreams::send(Attachment& to, std::string message) {
  if (!to.socket.valid()) return;
  for (;;) {
    if (::send(to.socket.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
      return;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != ENOBUFS) return to.socket.reset();
    break;
  }
  to.stalledAt = sys::now();
  to.unsent = std::move(message);
}

void AppStreams::flush(Attachment& to) {
  const std::int64_t since = to.stalledAt;
  send(to, std::exchange(to.unsent, {}));
  if (!to.unsent.empty()) to.stalledAt = since;
}

void AppStreams::dropStalled() {
  const std::int64_t before = sys::now() - limits::kStallMilliseconds;
  for (Attachment& each : attachments_)
    if (!each.unsent.empty() && each.stalledAt <= before) each.socket.reset();
}

// Says the end to those for whom nothing more will come, and forgets who has gone.
void AppStreams::endFinished() {
  for (Attachment& each : attachments_) {
    if (!each.socket.valid() || !each.wanted || !each.unsent.empty()) continue;
    const bool hears =
        std::ranges::any_of(outputs_, [&](const Output& output) { return reaches(output, each); });
    const bool speaks = each.wanted->input && inputOf(each.wanted->app) != nullptr;
    if (hears || (speaks && !each.wanted->output && !each.wanted->errors)) continue;
    send(each, messageOf(StreamMessage::Done));
    each.socket.reset();
  }
  std::erase_if(attachments_, [](const Attachment& each) { return !each.socket.valid(); });
}

// --- apps

void AppStreams::read(Output& from) {
  static std::array<char, ipc::kStreamChunk> buffer;
  const ssize_t got = ::read(from.end.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {  // EIO: no process has the terminal any more
    if (from.log != nullptr) from.log->append(from.lines.finish(sys::wallClock()));
    return from.end.reset();
  }
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
  if (from.log != nullptr) return from.log->append(from.lines.feed(bytes, sys::wallClock()));
  const auto kind = from.errors ? StreamMessage::Errors : StreamMessage::Output;
  for (Attachment& each : attachments_)
    if (reaches(from, each)) send(each, messageOf(kind, bytes));
}

void AppStreams::write(Input& to) {
  if (!to.end.valid()) return;
  if (!to.pending.empty()) {
    const ssize_t count = ::write(to.end.get(), to.pending.data(), to.pending.size());
    if (count > 0) to.pending.erase(0, static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR && errno != EAGAIN) return to.end.reset();
  } else if (!to.ending) {
    return to.end.reset();  // nobody reads it any more: that is all poll(2) says unasked
  }
  if (to.ending && to.pending.empty()) to.end.reset();
}

}  // namespace airlock::stage1
