// SPDX-License-Identifier: Apache-2.0
// Linux capabilities by name and as 64-bit masks.  Pure; unprivileged code may use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace airlock::image {

using CapabilityMask = std::uint64_t;  // bit N is capability number N of linux/capability.h

// "CAP_CHOWN" -> 0; exact, upper case.  std::nullopt: Linux has no such capability.
std::optional<unsigned> capabilityNumber(std::string_view name);
// In the order of their numbers; bits without a name are left out.
std::vector<std::string> capabilityNames(CapabilityMask mask);
// Every capability that has a name here.
CapabilityMask allCapabilities();

// What an app is bounded by when its image says nothing (test K15): CHOWN DAC_OVERRIDE FOWNER
// FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE.  rkt and docker have five more, which we
// leave out: NET_RAW (spoofing on a shared bridge), MKNOD, SETFCAP and SYS_CHROOT (each part of
// known escapes), AUDIT_WRITE (forged audit records).  An image or an administrator who needs one
// asks for it with a retain set.
inline constexpr CapabilityMask kDefaultCapabilities =
    1U << 0 | 1U << 1 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 7 | 1U << 8 | 1U << 10;

}  // namespace airlock::image
