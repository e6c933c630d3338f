// SPDX-License-Identifier: Apache-2.0
// What an app finds in its root although its image may lack it: /tmp, /run, /etc/hosts and the
// like.  The run side of the container flavour.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

// Nothing that the image has is changed, and no link of the image is followed to write (P10).  A
// root that cannot be written is left as it is.
Result<void> makeAppFiles(FdRef appRoot, const ipc::PodSpec& spec);

// A file of the root directory that this process is in, of which nobody needs to be told.
std::optional<std::string> readHostFile(const std::string& path);

}  // namespace airlock::stage1
