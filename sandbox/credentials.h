// SPDX-License-Identifier: Apache-2.0
// Capabilities, no_new_privs, dumpability, descriptors: what a process gives up about itself. Every
// process of ours.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

namespace airlock::sandbox {

// A set of capabilities, bit n = capability number n (linux/capability.h).
using Capabilities = std::uint64_t;
inline constexpr Capabilities capability(int number) { return Capabilities{1} << number; }

struct CapabilityState {
  Capabilities effective = 0;
  Capabilities permitted = 0;
  Capabilities inheritable = 0;
  Capabilities ambient = 0;
  Capabilities bounding = 0;
  bool none() const { return (effective | permitted | inheritable | ambient) == 0; }
};

// What this thread has, asked of the kernel.  capabilities(7)
Result<CapabilityState> capabilities();

// Gives up everything that is not in `keep`, in all five sets; ambient and inheritable become empty
// (a file in an image could pick inheritable ones up: CVE-2022-24769).  Read back. Without
// CAP_SETPCAP the bounding set cannot shrink: then it stays, which no_new_privs makes harmless
// (capabilities(7)).
Result<CapabilityState> keepOnlyCapabilities(Capabilities keep);
inline Result<CapabilityState> dropAllCapabilities() { return keepOnlyCapabilities(0); }
// The same between fork and exec; false with errno set.  async-signal-safe
bool keepOnlyCapabilitiesRaw(Capabilities keep) noexcept;

// PR_SET_NO_NEW_PRIVS, read back.
Result<void> setNoNewPrivileges();

// PR_SET_DUMPABLE, read back: false keeps other processes of the same user from tracing this one
// and from reading /proc/PID/{mem,fd,environ}.
Result<void> setDumpable(bool dumpable);

// Closes every descriptor but 0, 1, 2 and those in `keep`.
Result<void> closeAllBut(std::span<const int> keep);

// Opens /dev/null for each of 0, 1 and 2 that is closed, so that no later file gets one of these
// numbers.
Result<void> ensureStandardDescriptors();

}  // namespace airlock::sandbox
