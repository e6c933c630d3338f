// SPDX-License-Identifier: Apache-2.0
// Sockets of this machine (AF_UNIX) by their path.  For all.
#pragma once

#include <sys/un.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::sys {

// Invalid: longer than an address can be.
Result<sockaddr_un> localAddress(const std::string& path);
// `type` as for socket(2); O_CLOEXEC is set.  The error says where nobody answered.
Result<Fd> connectLocal(const std::string& path, int type);

}  // namespace airlock::sys
