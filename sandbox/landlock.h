// SPDX-License-Identifier: Apache-2.0
// Landlock: takes the file system and TCP from this process, without privilege.  Every process of
// ours. What the kernel cannot do is a value in LandlockState, never an error: the caller decides
// whether that will do.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::sandbox {

// Bits of PathAccess::access; they apply to everything below the path.
using Access = std::uint64_t;
inline constexpr Access kExecute = 1U << 0;
inline constexpr Access kWriteFile = 1U << 1;
inline constexpr Access kReadFile = 1U << 2;
inline constexpr Access kReadDirectory = 1U << 3;
inline constexpr Access kRemoveDirectory = 1U << 4;
inline constexpr Access kRemoveFile = 1U << 5;
inline constexpr Access kMakeDirectory = 1U << 7;
inline constexpr Access kMakeFile = 1U << 8;
inline constexpr Access kMakeSocket = 1U << 9;
inline constexpr Access kMakeFifo = 1U << 10;
inline constexpr Access kMakeLink = 1U << 12;
inline constexpr Access kRefer = 1U << 13;        // link or rename between directories (ABI 2)
inline constexpr Access kTruncate = 1U << 14;     // ABI 3; free before
inline constexpr Access kIoctlDevice = 1U << 15;  // ABI 5; free before

inline constexpr Access kRead = kReadFile | kReadDirectory;
inline constexpr Access kReadExecute = kRead | kExecute;
// A directory that the process keeps files of its own in.
inline constexpr Access kReadWrite = kRead | kWriteFile | kTruncate | kRemoveFile | kMakeFile |
                                     kRemoveDirectory | kMakeDirectory | kMakeSocket | kMakeFifo |
                                     kMakeLink;

// One thing that stays reachable: a constant path of ours or of the system, or an open descriptor.
struct PathAccess {
  std::string path;     // used when `descriptor` is negative
  int descriptor = -1;  // borrowed for the call
  Access access = kRead;
  bool optional = false;  // a missing path is no error (resolv.conf, nsswitch.conf …)
};

// What is in force now.
struct LandlockState {
  int abi = 0;         // 0: the kernel has no Landlock, or it is switched off; nothing below holds
  bool files = false;  // only the given paths can be opened
  bool truncate = false;  // ABI 3: truncation is covered too
  bool tcp = false;       // ABI 4: no TCP bind and connect
  bool devices = false;   // ABI 5: no ioctl on devices opened from now on
  bool scoped = false;    // ABI 6: no signals and no abstract sockets out of this process's domain
};

// The ABI of the running kernel (landlock_create_ruleset with LANDLOCK_CREATE_RULESET_VERSION); 0
// without Landlock.
int landlockAbi();

// Restricts this thread (and what it starts) for good.  An empty list means no file system at all.
// Descriptors that are open already are not affected.  Needs no_new_privs or CAP_SYS_ADMIN.
// landlock(7)
Result<LandlockState> restrictTo(std::span<const PathAccess> paths, bool allowTcp);

// The same as a kernel with this ABI would do it, which must not be above landlockAbi(): tests
// force old ones.
Result<LandlockState> restrictAsAbi(int abi, std::span<const PathAccess> paths, bool allowTcp);

}  // namespace airlock::sandbox
