// SPDX-License-Identifier: Apache-2.0
// Takes over the descriptors of the contract (docs/stage1-contract.md) and reads the sealed specs.  Every stage1 flavour.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

// The PodSpec on ipc::kSpecFd, which is closed.  E_FD when it is not sealed.
Result<ipc::PodSpec> takePodSpec();
// The EnterSpec on ipc::kLockFd (enter only), which is closed.
Result<ipc::EnterSpec> takeEnterSpec();

// Every descriptor that the contract names for a run is open, and none beyond it stays open.  All of them become
// close-on-exec.  E_FD names the one that is missing.
Result<void> checkRunDescriptors(const ipc::PodSpec& spec);
// The same for an enter: leash, spec, enter spec, standard streams.
Result<void> checkEnterDescriptors();

// The further seccomp program of an app, from a sealed memfd: whole instructions, at most BPF_MAXINSNS.
Result<std::vector<sock_filter>> readFilter(Fd file);

}  // namespace airlock::stage1
