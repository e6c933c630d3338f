// SPDX-License-Identifier: Apache-2.0
// Where a pod's cgroup goes, and which limits it gets.  Helper only; sandbox/cgroup.h is how.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"
#include "ipc/records.h"

namespace airlock::helper {

struct PodCgroup {
  Fd dir;
  std::string path;                // below the v2 mount
  std::vector<ipc::Layer> layers;  // which limits hold
};

// nullopt: the host has no v2 hierarchy.  Limits of the apps are summed: they hold for the pod.
// `parentPath`: below the v2 mount.
Result<std::optional<PodCgroup>> makeCgroup(const std::string& parentPath, FdRef podDir,
                                            const ipc::PodSpec& spec);

}  // namespace airlock::helper
