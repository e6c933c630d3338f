// SPDX-License-Identifier: Apache-2.0
// Starting a program of ours for one job and hearing its one answer: what airlock-measure and
// airlock-systemd have in common.  The helper.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"

namespace airlock::ipc {

struct OneJob {
  const char* program;               // installed beside this one
  std::optional<Identity> identity;  // nullopt: this process's own
  std::string bytes;
  std::span<const FdRef> fds;
  int milliseconds;  // in all; then the process is ended
};
// The bytes of the answer, which has no descriptors.
Result<std::string> ask(const OneJob& job);

}  // namespace airlock::ipc
