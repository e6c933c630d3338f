// SPDX-License-Identifier: Apache-2.0
// Moves this process into a root directory of its own making.  Verifier roles, before confinement;
// one thread only.
#pragma once

#include "base/result.h"

namespace airlock::verifier {

enum class RootContent {
  Empty,  // nothing at all, read-only
  GnuPg,  // the gpg program, the libraries, /dev/null, all read-only, and kKeyHome, on a tmpfs that
          // is this process's
};

// An empty directory, mode 0700, that vanishes with the process.
inline constexpr const char* kKeyHome = "/keys";

// Works with CAP_SYS_ADMIN in the process's user namespace, and else makes itself a user namespace,
// in which its ids map to themselves.  E_SANDBOX where the host permits neither, or the process
// sits in a chroot: there is no fallback to a directory on a disk, where keys of one verification
// could meet another's.
Result<void> enterPrivateRoot(RootContent content);

}  // namespace airlock::verifier
