// SPDX-License-Identifier: Apache-2.0
// A program on a terminal of its own, with somebody who reads and types.  Tests only.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"

namespace airlock::test {

class OnTerminal {
 public:
  // A /bin/sh script, whose last command may be `exec`ed; the terminal has 24 lines of 80 columns.
  explicit OnTerminal(const std::string& script, const std::vector<std::string>& environment = {});
  ~OnTerminal();
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  void type(const std::string& keys);
  // Reads until it has said that since something was typed; false when it has not within twenty
  // seconds.
  bool says(const std::string& words);
  // Reads to its end; the exit code as a shell has it.
  int wait();
  // All that it said so far, without the carriage returns that a terminal adds, and without a
  // shell's question where the cursor is.
  const std::string& text() const { return text_; }

 private:
  bool read(int milliseconds);  // false at the end
  Fd master_;
  pid_t child_ = -1;
  std::string text_;
  std::size_t typedAt_ = 0;
};

}  // namespace airlock::test
