// SPDX-License-Identifier: Apache-2.0
// Where a test may end the process, to show that every step can be the last one.  Empty in a
// release.
#pragma once

#ifdef AIRLOCK_TEST_HOOKS
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#endif

namespace airlock {

#ifdef AIRLOCK_TEST_HOOKS
namespace hooks {
inline std::string point;  // AIRLOCK_FAULT
inline int deadline = 0;   // AIRLOCK_DEADLINE, milliseconds
}  // namespace hooks

// For a program that empties its environment: called once, before it does.
inline void rememberTestHooks() {
  if (const char* wanted = std::getenv("AIRLOCK_FAULT")) hooks::point = wanted;
  if (const char* wanted = std::getenv("AIRLOCK_DEADLINE")) hooks::deadline = std::atoi(wanted);
}
// Ends the process by SIGKILL when the environment variable AIRLOCK_FAULT names this point.
inline void fault(std::string_view point) {
  const char* wanted = std::getenv("AIRLOCK_FAULT");
  if (point == hooks::point || (wanted != nullptr && point == wanted)) std::raise(SIGKILL);
}
// How long to wait for another process of ours: `usual` milliseconds, unless a test does not want
// to.
inline int deadline(int usual) { return hooks::deadline != 0 ? hooks::deadline : usual; }
#else
inline void rememberTestHooks() {}
inline void fault(const char*) {}
inline int deadline(int usual) { return usual; }
#endif

}  // namespace airlock
