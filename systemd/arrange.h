// SPDX-License-Identifier: Apache-2.0
// Makes a waiting pod known to systemd and machined, and gives it a unit of its own where its
// caller's is not the caller's to divide (docs/decisions/0025).  airlock-systemd only.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/systemd_messages.h"

namespace airlock::systemd {

// `bus`: connected, nothing said yet.  An error: nothing was arranged.
Result<ipc::Arranged> arrange(const ipc::SystemdJob& job, Fd bus);

}  // namespace airlock::systemd
