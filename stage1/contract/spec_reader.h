// SPDX-License-Identifier: Apache-2.0
// Takes over the descriptors of the contract (docs/stage1-contract.md) and reads the sealed specs.
// Every stage1 flavour.
#pragma once

#include <linux/filter.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

// The PodSpec on ipc::kSpecFd, which is closed.  E_FD when it is not sealed.
Result<ipc::PodSpec> takePodSpec();
// The EnterSpec on ipc::kLockFd (enter only), which is closed.
Result<ipc::EnterSpec> takeEnterSpec();

// Every descriptor that the contract names for a run is open, and none beyond it stays open.  All
// of them become close-on-exec.  E_FD names the one that is missing.
Result<void> checkRunDescriptors(const ipc::PodSpec& spec);
// The same for an enter: leash, spec, enter spec, standard streams.
Result<void> checkEnterDescriptors();

// The bytes of an app's further seccomp program, from the sealed memfd of the contract.
Result<std::string> readFilterBytes(Fd file);
// The program: whole instructions, at least one, at most BPF_MAXINSNS; the kernel checks the rest.
// E_FILTER.
Result<std::vector<sock_filter>> parseFilter(std::string_view bytes);

}  // namespace airlock::stage1
