// SPDX-License-Identifier: Apache-2.0
// What a sandbox keeps in its own root directory, which no app reaches, for apps that are added to
// it: what a pod finds of the host at its start.  The run side of the container flavour.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

// /proc, /sys and /dev, with the shared memory and the message queues that every app of the pod
// gets; with the host's network its /etc/hosts and /etc/resolv.conf.  `root`: the pod's, before it
// lets go of the host.
Result<void> furnishSandbox(FdRef root, const ipc::PodSpec& spec);

}  // namespace airlock::stage1
