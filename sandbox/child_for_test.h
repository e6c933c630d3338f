// SPDX-License-Identifier: Apache-2.0
// Runs code in a forked child and says how it ended: a filter is for good, so each case needs a
// process of its own. Tests of sandbox/ only.
#pragma once

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/process.h"

namespace airlock::sandbox {

// The exit code of the child is what `body` returns.
inline ExitStatus inChild(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return {.code = 0, .signal = WTERMSIG(status)};
  return {.code = WEXITSTATUS(status), .signal = 0};
}

// 0 when the call succeeded, else its errno: what a child hands out as its exit code.
inline int errorOf(long result) { return result >= 0 ? 0 : errno; }

}  // namespace airlock::sandbox
