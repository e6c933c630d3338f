// SPDX-License-Identifier: Apache-2.0
// A stored tree as a mount that is attached nowhere yet.  Needs CAP_SYS_ADMIN: the helper, and the
// trial of it that `airlock doctor` asks for.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::store {

struct MountedTree {
  Fd mount;
  bool byLoopDevice = false;  // kernels before 6.12 mount EROFS from block devices only
};
// Read-only and nodev; every file has `label`, unless it is empty (SELinux is off).
Result<MountedTree> mountTree(FdRef tree, const std::string& label);
// The ids of its files become those of the user namespace (MOUNT_ATTR_IDMAP).
Result<void> shiftIds(FdRef mount, FdRef ids);

}  // namespace airlock::store
