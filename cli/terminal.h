// SPDX-License-Identifier: Apache-2.0
// The caller's terminal while a pod has it: raw mode, window size, the escape that ends the pod.
// run and enter.
#pragma once

#include <termios.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::cli {

bool isTerminal(FdRef fd);

// Raw from construction to destruction: what is typed goes to the pod, signals included.
class RawMode {
 public:
  static Result<RawMode> enter(FdRef terminal);
  RawMode(RawMode&& other) noexcept;
  RawMode& operator=(RawMode&&) = delete;
  ~RawMode() { leave(); }
  void leave();

 private:
  RawMode(Fd terminal, const termios& before) : terminal_(std::move(terminal)), before_(before) {}
  Fd terminal_;
  termios before_;
};

// Gives `to` (a pseudo terminal's master) the size of `from`.  Does nothing when `from` is no
// terminal.
void copyWindowSize(FdRef from, FdRef to);

// Watches typed bytes for ^] three times within one second.
class EscapeDetector {
 public:
  // `milliseconds`: a clock that never goes back.  True when `typed` completes the escape.
  bool feed(std::string_view typed, std::int64_t milliseconds);

 private:
  static constexpr char kEscape = 0x1d;
  static constexpr std::int64_t kWindowMilliseconds = 1000;
  std::int64_t firstAt_ = 0;
  int seen_ = 0;
};

// The caller's terminal while a pod runs that does not read it: nothing of it goes anywhere, and
// the escape still ends the pod.  Signals and echo stay as they are.  Only as long as this process
// is in the terminal's foreground: else the terminal is somebody else's.
class EscapeWatch {
 public:
  explicit EscapeWatch(FdRef input);  // watches nothing when that is no terminal of ours
  EscapeWatch(EscapeWatch&&) = delete;
  ~EscapeWatch() { leave(); }
  // What to read, or -1.
  int fd() const;
  // True when the escape was typed.
  bool read();
  // After SIGCONT: whoever had the terminal meanwhile has left it in a mode of their own.
  void resume();
  void leave();

 private:
  bool isOurs() const;

  FdRef input_;
  std::optional<termios> before_;  // nothing is watched without
  EscapeDetector escape_;
};

}  // namespace airlock::cli
