// SPDX-License-Identifier: Apache-2.0
// Which layers this host can enforce, looked at and not assumed.  The helper records them, the CLI
// shows them (airlock doctor).
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipc/helper_messages.h"
#include "sandbox/cgroup.h"
#include "store/pod_label.h"

namespace airlock::store {

// Layers that do not depend on a pod: seccomp, landlock, user namespaces, idmapped mounts, cgroup
// v2, SELinux, EROFS.
std::vector<ipc::Layer> hostLayers(const LabelPolicy& labels);
// The same for the pods of one caller: whether limits hold depends on the cgroup it is in.
std::vector<ipc::Layer> hostLayersFor(const LabelPolicy& labels, pid_t caller, uid_t uid);
ipc::Layer cgroupLayerFor(pid_t caller, uid_t uid);

// Which limits hold, into `layers`, and what is in their way.  E_REQUIRED when one does not and
// they are required.
Result<void> noteLimits(std::span<const sandbox::CgroupLimit> limits, const std::string& obstacle,
                        bool required, std::vector<ipc::Layer>& layers);
// E_REQUIRED names one that is required and does not hold; measurement and audit refuse themselves.
Result<void> requireLayers(std::span<const std::string> required,
                           std::span<const ipc::Layer> layers);

}  // namespace airlock::store
