// SPDX-License-Identifier: Apache-2.0
// What the helper asks airlock-systemd to arrange for a pod, and what came of it.  Sent by the
// helper only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/names.h"
#include "base/result.h"
#include "ipc/failure.h"

namespace airlock::ipc {

// No descriptors.
struct SystemdJob {
  PodId pod;
  std::uint32_t leader = 0;  // PID 1 of the pod, waiting
  std::uint32_t caller = 0;  // the process whose unit decides where the pod belongs
  bool asRkt = false;        // the machine is called rkt-<UUID>
};
struct Arranged {
  std::string unit;     // that the pod ends with: its own scope, or its caller's unit
  std::string machine;  // its name with machined; empty: not registered
  std::string why;      // why not
};
using SystemdReply = std::variant<Failure, Arranged>;

Result<std::string> encode(const SystemdJob& job);
Result<SystemdJob> decodeSystemdJob(std::string_view bytes);
Result<std::string> encode(const SystemdReply& reply);
Result<SystemdReply> decodeSystemdReply(std::string_view bytes);

}  // namespace airlock::ipc
