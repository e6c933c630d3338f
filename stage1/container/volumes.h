// SPDX-License-Identifier: Apache-2.0
// Volumes: the helper lends detached mounts, the apps see them where their specs say.  The run side
// of the container flavour.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

struct Volume {
  const ipc::VolumeSpec& spec;
  Fd mount;  // attached below the pod's root, where only PID 1 can see it
  bool directory;
};

// Takes over the descriptors of all volumes.
Result<std::vector<Volume>> attachVolumes(FdRef podRoot, const ipc::PodSpec& spec);

// Every mount of one app.  Targets are resolved inside its root, links included; missing ones are
// made.  E_PATH for a target that is not in the app's own files or in another of its volumes:
// /proc, /sys and /dev are ours (P04).
Result<void> mountVolumes(FdRef appRoot, const ipc::AppSpec& app,
                          const std::vector<Volume>& volumes);

}  // namespace airlock::stage1
