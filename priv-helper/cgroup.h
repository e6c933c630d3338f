// SPDX-License-Identifier: Apache-2.0
// Where a pod's cgroups go, and which limits they get.  Helper only; how is sandbox/pod_cgroup.h.
#pragma once

#include <optional>

#include "base/result.h"
#include "ipc/records.h"
#include "priv-helper/server.h"
#include "sandbox/pod_cgroup.h"
#include "store/uid_ranges.h"

namespace airlock::helper {

// nullopt: the host has no v2 hierarchy.  `path` is set before anything is made there; `layers` get
// which limits hold.  Refused when one does not and policy requires cgroup.
Result<std::optional<sandbox::PodCgroup>> makeCgroup(const Server& server, FdRef podDir,
                                                     const ipc::PodSpec& spec, uid_t podRoot,
                                                     std::string& path,
                                                     std::vector<ipc::Layer>& layers);

}  // namespace airlock::helper
