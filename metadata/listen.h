// SPDX-License-Identifier: Apache-2.0
// The two sockets of the metadata service, made before it is confined.  The metadata service only.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::metadata {

// Pods ask here.
Result<Fd> listenForPods(const std::string& address, std::uint16_t port);

// The port of that socket: with port 0 the kernel has picked one.
Result<std::uint16_t> portOf(FdRef socket);

// Those who run pods register them here: descriptor 3 when a service manager passed one, else a
// new socket at `path`, 0660, of group airlock where there is one.  E_RUNNING: a service answers
// there already.
Result<Fd> listenForRegistrations(const std::string& path);

}  // namespace airlock::metadata
