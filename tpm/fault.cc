// SPDX-License-Identifier: Apache-2.0
#include "tpm/fault.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace airlock::tpm {

namespace {
constexpr char kVariable[] = "AIRLOCK_FAULT";
}  // namespace

bool isFaultPoint(std::string_view point) {
  const char* wanted = std::getenv(kVariable);
  return wanted != nullptr && point == wanted;
}

void dieAt(std::string_view point) {
  if (!isFaultPoint(point)) return;
  static_cast<void>(::kill(::getpid(), SIGKILL));
  __builtin_trap();  // where the filter answers kill(2) with an error
}

std::vector<std::string> faultVariables() { return {kVariable}; }

}  // namespace airlock::tpm
