// SPDX-License-Identifier: Apache-2.0
// What is measured of the engine itself (docs/measurement.md).  The helper.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

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

// "scope fingerprint\n" for each trusted key, sorted: the trust that facts have the digest of.
std::string trustListing(const std::vector<std::pair<std::string, std::string>>& trusted);

// "path sha512-…\n" for each file of trusted keys (docs/measurement.md), sorted.
std::string keyFileListing(const std::map<std::string, ContentDigest>& files);

}  // namespace airlock::store
