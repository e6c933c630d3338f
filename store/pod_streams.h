// SPDX-License-Identifier: Apache-2.0
// Where the streams of a pod's apps lead that its PID 1 keeps: a directory for logs, and a socket
// to attach by.  Helper only.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"
#include "store/pod_dir.h"
#include "store/pod_place.h"

namespace airlock::store {

// log, where stage1 writes; what it makes there may be read by `group`, as the pod's manifest.
Result<Fd> makeLogDirectory(const PodPlace& place, gid_t group);
// attach, listening; only root can connect.
Result<Fd> makeAttachSocket(const PodPlace& place);
// A connection to it that says first what is wanted.  E_ATTACH when the pod keeps no streams, or
// too many wait.
Result<Fd> connectStreams(const Pod& pod, const ipc::AttachSpec& wanted);

}  // namespace airlock::store
