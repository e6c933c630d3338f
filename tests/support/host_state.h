// SPDX-License-Identifier: Apache-2.0
// What an engine and this test have on the host, to show that a refusal left everything as it was.
// Tests only.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace airlock::test {

// From "kind:what" to what there is to know about it.
using HostState = std::map<std::string, std::string>;

// Files below the data directory (with mode, owner, size and content), mounts that lead into it,
// cgroups below ours, and the living descendants of this process.  The runtime directory (the
// append-only log, digests of programs) and the cache of downloads are left out.
HostState hostState(const std::string& dataDirectory);
// What is in one and not, or otherwise, in the other: empty when they are the same.
std::string difference(const HostState& before, const HostState& after);

// Our descendants keep being ours when their parents end, and their cgroups lie below one of ours.
void ownWhatWeStart();
// As an init would: ends the zombies among our children, but for these.  A pid namespace ends only
// when every process of it has been reaped.
void reapOrphans(const std::vector<pid_t>& keep = {});

}  // namespace airlock::test
