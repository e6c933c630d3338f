// SPDX-License-Identifier: Apache-2.0
// What images need of this host, tried and not assumed: on files without a name in the store, and
// with mounts that are attached nowhere, so that nothing of it is left.  The helper for root's
// store, the CLI for a user's own.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "ipc/helper_messages.h"

namespace airlock::store {

// "fs-verity": enabled on a file of its own in this folder, and asked for its digest.
ipc::Layer tryVerity(FdRef folder);
// "erofs" and "idmapped mounts", with an empty image that is labelled as images are; "overlay".
// Needs the right to mount.
std::vector<ipc::Layer> tryMounts(FdRef folder, const std::string& label);

// "required: NAME": whether a start now would find that NAME, of a `require` line of the policy,
// holds.
ipc::Layer requirement(const std::string& name, const std::vector<ipc::Layer>& layers);

}  // namespace airlock::store
