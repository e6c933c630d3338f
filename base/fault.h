// SPDX-License-Identifier: Apache-2.0
// Where a test may end the process, to show that every step can be the last one.  Empty in a
// release.
#pragma once

#ifdef AIRLOCK_TEST_HOOKS
#include <csignal>
#include <cstdlib>
#include <string_view>
#endif

namespace airlock {

#ifdef AIRLOCK_TEST_HOOKS
// Ends the process by SIGKILL when the environment variable AIRLOCK_FAULT names this point.
inline void fault(std::string_view point) {
  const char* wanted = std::getenv("AIRLOCK_FAULT");
  if (wanted != nullptr && point == wanted) std::raise(SIGKILL);
}
#else
inline void fault(const char*) {}
#endif

}  // namespace airlock
