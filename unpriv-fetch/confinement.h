// SPDX-License-Identifier: Apache-2.0
// What airlock-fetch keeps when it goes to the network.  The fetcher and its boundary probe.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "sandbox/confine.h"

namespace airlock::fetch {

// E_ROOT: never an internet socket as root; whoever is root starts the fetcher as user
// airlock-fetch.
Result<void> refuseRoot();

// Starts the libraries (libcurl, OpenSSL, the name service) while they can still read their
// configuration, then confines the process for good: no file but the name service's and the CA
// directories', and those only to read; no process, no signal, no program; no file larger than
// `largestFile` bytes; sockets to the internet only. `keep` are the descriptors that stay open.
// Before the first byte from the network.
Result<sandbox::Enforced> confine(std::vector<int> keep, std::uint64_t largestFile);

}  // namespace airlock::fetch
