// SPDX-License-Identifier: Apache-2.0
// What is measured of the engine itself (docs/measurement.md).  The helper.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/measure_messages.h"
#include "store/keystore.h"
#include "store/pod_label.h"

namespace airlock::store {

// All but the policy: version, digests of our programs (kept in `runtime`), boot, trusted keys, and
// the layers of this host.
Result<ipc::EngineFacts> engineFacts(FdRef runtime, const KeyStore& keys,
                                     const LabelPolicy& labels);

}  // namespace airlock::store
