// SPDX-License-Identifier: Apache-2.0
// What an engine and this test have on the host, to show that a refusal left everything as it was.
// Tests only.
#pragma once

#include <map>
#include <string>

namespace airlock::test {

// From "kind:what" to what there is to know about it.
using HostState = std::map<std::string, std::string>;

// Files below the data directory (with mode, owner, size and content), mounts that lead into it,
// cgroups below ours, and the living descendants of this process.  The runtime directory (caches,
// the append-only log) is left out.
HostState hostState(const std::string& dataDirectory);
// What is in one and not, or otherwise, in the other: empty when they are the same.
std::string difference(const HostState& before, const HostState& after);

// Our descendants keep being ours when their parents end, and their cgroups lie below one of ours.
void ownWhatWeStart();

}  // namespace airlock::test
