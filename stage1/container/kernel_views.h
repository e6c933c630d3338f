// SPDX-License-Identifier: Apache-2.0
// /proc and /sys of a pod: fresh ones, with what speaks about the whole machine covered or
// read-only.  The run side of the container flavour.
#pragma once

#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::stage1 {

struct Covered {
  const char* path;  // below /proc or /sys
  bool directory;
};
// What apps cannot read; tests/stage1_conformance/covered_paths.golden lists the same.
std::span<const Covered> coveredInProc();
std::span<const Covered> coveredInSys();
// What apps cannot write, below /proc; /sys is read-only as a whole.
std::span<const char* const> readOnlyInProc();

// `target` is the app's mount point, `empty` an attached empty read-only directory.  The mount is
// returned.
Result<Fd> mountProc(FdRef target, FdRef empty);
Result<Fd> mountSys(FdRef target, FdRef empty);  // only in a network namespace of the pod's own

// The same without covers, read-only, for a directory that no app reaches: where nothing shows all
// of a /proc or /sys, the kernel refuses a fresh one (mount_too_revealing).
Result<Fd> mountWholeProc(FdRef target);
Result<Fd> mountWholeSys(FdRef target);

// Mounts another instance of `source`, with everything below it.
Result<void> cloneOnto(FdRef source, FdRef target);
Result<void> cloneInto(FdRef source, FdRef directory, const char* name);

}  // namespace airlock::stage1
