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

// What a job needs through the confinement.
struct Needs {
  std::vector<int> keep;  // descriptors that stay open
  std::uint64_t largestFile = 0;
  bool manyFiles = false;  // one for each layer of an image, and threads with connections
};

// Starts the libraries (libcurl, OpenSSL, the name service) while they can still read their
// configuration, then confines the process for good: no file but the name service's and the CA
// directories', and those only to read; no process, no signal,
// no program; no file larger than `largestFile` bytes; sockets to the internet only.  Before the
// first byte from outside.
Result<sandbox::Enforced> confine(Needs needs);

}  // namespace airlock::fetch
