// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

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

}  // namespace airlock::cli
