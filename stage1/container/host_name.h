// SPDX-License-Identifier: Apache-2.0
// A pod's name and network of its own, before anything runs in it.  The run side of the container
// flavour.
#pragma once

#include <string>

#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

// The name in the spec, or airlock-<UUID>.
std::string hostNameOf(const ipc::PodSpec& spec);
Result<void> setHostName(const std::string& name);
// Sets IFF_UP on lo.  netdevice(7)
Result<void> bringLoopbackUp();

}  // namespace airlock::stage1
