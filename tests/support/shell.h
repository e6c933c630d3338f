// SPDX-License-Identifier: Apache-2.0
// Scratch directories and commands, for the tests that cross processes.  Tests only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/process.h"

namespace airlock::test {

// A directory below /tmp that everyone may enter; gone with the object.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct Outcome {
  int code = 0;  // as a shell has it: 128 + signal
  std::string out;
  std::string err;
  bool operator==(const Outcome&) const = default;
};
struct ShellOptions {
  std::vector<std::string> environment;  // on top of PATH, HOME and LC_ALL
  std::optional<Identity> identity;
  std::string input;
};
// Runs a /bin/sh script, with `set -e` and in "/"; anything that it leaves in the background is its
// own affair.
Outcome shell(const std::string& script, const ShellOptions& options = {});
// The same; a failure is the running test's failure.  Returns what it printed.
std::string must(const std::string& script, const ShellOptions& options = {});

std::string readFile(const std::string& path);
void writeFile(const std::string& path, const std::string& content, mode_t mode = 0644);
bool exists(const std::string& path);
std::vector<std::string> lines(const std::string& text);

// Asks `done` until it says yes; false when it has not within ten seconds.
template <class Condition>
bool eventually(Condition done);
void shortPause();

template <class Condition>
bool eventually(Condition done) {
  for (int i = 0; i < 500; ++i) {
    if (done()) return true;
    shortPause();
  }
  return false;
}

}  // namespace airlock::test
