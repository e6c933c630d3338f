// SPDX-License-Identifier: Apache-2.0
// A real swtpm for a scratch engine.  Tests only.
#pragma once

#include <optional>
#include <string>

#include "tests/support/shell.h"

namespace airlock::test {

class SoftwareTpm {
 public:
  SoftwareTpm();
  ~SoftwareTpm();
  const std::string& socket() const { return socket_; }
  // The policy line that makes an engine use it.
  std::string policyLine(const std::string& mode) const;
  void stop();

 private:
  Scratch state_;
  std::string socket_;
  std::optional<Child> process_;
};

}  // namespace airlock::test
