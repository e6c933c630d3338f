// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/syscall.h"

namespace airlock::cli {

bool isTerminal(FdRef fd) { return ::isatty(fd.get()) == 1; }

Result<RawMode> RawMode::enter(FdRef terminal) {
  termios before{};
  if (::tcgetattr(terminal.get(), &before) != 0) return failErrno("read the terminal's mode");
  Fd own = TRY(sys::duplicate(terminal));
  termios raw = before;
  ::cfmakeraw(&raw);
  if (::tcsetattr(own.get(), TCSANOW, &raw) != 0) return failErrno("set the terminal's mode");
  return RawMode(std::move(own), before);
}

RawMode::RawMode(RawMode&& other) noexcept
    : terminal_(std::move(other.terminal_)), before_(other.before_) {}

void RawMode::leave() {
  if (!terminal_.valid()) return;
  static_cast<void>(::tcsetattr(terminal_.get(), TCSADRAIN, &before_));
  terminal_.reset();
}

void copyWindowSize(FdRef from, FdRef to) {
  winsize size{};
  if (::ioctl(from.get(), TIOCGWINSZ, &size) != 0) return;
  static_cast<void>(::ioctl(to.get(), TIOCSWINSZ, &size));
}

bool EscapeDetector::feed(std::string_view typed, std::int64_t milliseconds) {
  for (const char c : typed) {
    if (c != kEscape) {
      seen_ = 0;
      continue;
    }
    if (seen_ == 0 || milliseconds - firstAt_ > kWindowMilliseconds) {
      seen_ = 0;
      firstAt_ = milliseconds;
    }
    if (++seen_ == 3) return true;
  }
  return false;
}

EscapeWatch::EscapeWatch(FdRef input) : input_(input) {
  termios mode{};
  if (isTerminal(input_) && isOurs() && ::tcgetattr(input_.get(), &mode) == 0) before_ = mode;
  resume();
}

// To set or read it in the background would stop this process (termios(3), TTOU and TTIN).
bool EscapeWatch::isOurs() const { return ::tcgetpgrp(input_.get()) == ::getpgrp(); }

int EscapeWatch::fd() const { return before_ && isOurs() ? input_.get() : -1; }

bool EscapeWatch::read() {
  std::array<char, 256> typed;
  const ssize_t count = ::read(input_.get(), typed.data(), typed.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  if (count <= 0) {  // it was hung up
    before_.reset();
    return false;
  }
  return escape_.feed({typed.data(), static_cast<std::size_t>(count)}, sys::now());
}

void EscapeWatch::resume() {
  if (!before_ || !isOurs()) return;
  termios mode = *before_;
  mode.c_lflag &= ~static_cast<tcflag_t>(ICANON);  // not only whole lines
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  static_cast<void>(::tcsetattr(input_.get(), TCSANOW, &mode));
}

void EscapeWatch::leave() {
  if (before_ && isOurs()) static_cast<void>(::tcsetattr(input_.get(), TCSADRAIN, &*before_));
  before_.reset();
}

}  // namespace airlock::cli
