// SPDX-License-Identifier: Apache-2.0
// The capabilities that an app has unless it asks for others.  Helper only; image/isolators.h names
// the same set for the CLI, and a test in tests/ holds the two together.
#pragma once

#include <linux/capability.h>

#include <cstdint>

namespace airlock::helper {

// Docker's and rkt's 14 without NET_RAW, MKNOD, SETFCAP, AUDIT_WRITE and SYS_CHROOT
// (docs/decisions/0013).
inline constexpr std::uint64_t kDefaultCapabilities =
    1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FSETID | 1ULL << CAP_FOWNER |
    1ULL << CAP_KILL | 1ULL << CAP_NET_BIND_SERVICE | 1ULL << CAP_SETUID | 1ULL << CAP_SETGID |
    1ULL << CAP_SETPCAP;

}  // namespace airlock::helper
