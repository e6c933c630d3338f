// SPDX-License-Identifier: Apache-2.0
// A stored tree as a mount that is attached nowhere yet.  Needs CAP_SYS_ADMIN: the helper, and the
// trial of it that `airlock doctor` asks for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::store {

struct MountedTree {
  Fd mount;
  bool byLoopDevice = false;  // kernels before 6.12 mount EROFS from block devices only
};
// Read-only and nodev; every file has `label`, unless it is empty (SELinux is off).
Result<MountedTree> mountTree(FdRef tree, const std::string& label);
// Several, the topmost first, for mountOverlay(): attached below `scratch`, a directory of this
// mount namespace, as "<slot>-<number>", which are the names that are returned; their ids are those
// of `ids`.
Result<std::vector<std::string>> mountLowers(FdRef scratch, const std::string& slot,
                                             std::span<const Fd> trees, FdRef ids,
                                             const std::string& label);

struct Overlay {
  std::vector<std::string> lowers;  // the topmost first; absolute, or below `scratch`
  std::string upper;                // with `work`; empty: nothing is written
  std::string work;
  std::string label;  // empty: SELinux is off
};
// Nothing of it outlives a pod in a way that a power cut could matter to: it is volatile.
Result<Fd> mountOverlay(FdRef scratch, const Overlay& overlay, unsigned attributes);
// The ids of its files become those of the user namespace (MOUNT_ATTR_IDMAP).
Result<void> shiftIds(FdRef mount, FdRef ids);

}  // namespace airlock::store
