// SPDX-License-Identifier: Apache-2.0
// Where a pod belongs on a host that systemd runs: asks airlock-systemd, which alone speaks D-Bus.
// Helper only.
#pragma once

#include <string>

#include "base/result.h"
#include "priv-helper/server.h"

namespace airlock::helper {

struct Place {
  std::string parent;   // cgroup that the pod's own is made in
  std::string unit;     // of systemd; empty: none, or not known
  std::string machine;  // its name with machined, or why it has none
};
// `leader` waits, and may be in a scope of its own afterwards.  Without systemd, or when it does
// not answer, the pod is where its caller is: nothing here is a condition of a start.
Result<Place> findPlace(const Server& server, const PodId& pod, pid_t leader);

}  // namespace airlock::helper
