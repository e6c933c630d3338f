// SPDX-License-Identifier: Apache-2.0
// What SELinux denies, one question each: selinux_test.cc hears "no" to all of them, and
// selinux_weakened_test.cc, which takes one rule away at a time, "yes" to that rule's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/guest/selinux_probe.h"

namespace airlock::test {

struct Question {
  std::string name;  // of the rule: a boolean of selinux-policy/tests/weakened.cil, or "categories"
  std::function<Answers()> ask;
  std::vector<std::string> denied;  // these of the answers
};

// `peer` is an app with the categories c3,c4, `file` a file of its.
std::vector<Question> selinuxQuestions(pid_t peer, const std::string& file);

// What both tests ask about: an idle app, its directory, a second log.
class Peer {
 public:
  Peer();
  ~Peer();
  std::vector<Question> questions() const { return selinuxQuestions(pid_, file_); }

 private:
  pid_t pid_;
  std::string file_ = "/run/selinux/peer/file";
};

}  // namespace airlock::test
