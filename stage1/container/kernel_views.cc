// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/kernel_views.h"

#include <fcntl.h>
#include <linux/mount.h>

#include "base/syscall.h"
#include "stage1/container/devices.h"
#include "stage1/container/pod_tree.h"
#include "stage1/contract/weaken.h"

namespace airlock::stage1 {

namespace {

// The lists of rkt, runc and crun joined.  A name that this kernel does not have is passed over.
constexpr Covered kCoveredInProc[] = {
    {"acpi", true},         {"asound", true},       {"config.gz", false},
    {"interrupts", false},  {"kallsyms", false},    {"kcore", false},
    {"keys", false},        {"kmsg", false},        {"latency_stats", false},
    {"sched_debug", false}, {"scsi", true},         {"sysrq-trigger", false},
    {"timer_list", false},  {"timer_stats", false},
};
constexpr Covered kCoveredInSys[] = {
    {"firmware", true},
    {"fs", true},
    {"hypervisor", true},
    {"kernel/debug", true},
    {"kernel/security", true},
    {"kernel/tracing", true},
    {"module", true},
    {"power", true},
    {"devices/virtual/powercap", true},
};
constexpr const char* kReadOnlyInProc[] = {"bus", "fs", "irq", "sys"};

constexpr std::uint64_t kViewAttributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// A path of ours inside a file system of the kernel's: no image has a say in it, and it has no
// links on the way.
Result<void> cover(FdRef view, std::span<const Covered> paths, FdRef empty) {
  Fd null;  // both covers are kept for the next path while a path does not exist
  Fd directory;
  for (const Covered& path : paths) {
    Fd& mount = path.directory ? directory : null;
    if (!mount.valid()) {
      mount = path.directory ? TRY(sys::openTree(empty, "", OPEN_TREE_CLONE | AT_EMPTY_PATH))
                             : TRY(cloneHostDevice("null"));
    }
    if (auto attached = sys::moveMount(mount, view, path.path); !attached) {
      if (attached.error().number() == ENOENT) continue;
      return attached;
    }
    mount.reset();
  }
  return {};
}

Result<void> makeReadOnly(FdRef view, const char* path) {
  auto mount = sys::openTree(view, path, OPEN_TREE_CLONE | AT_RECURSIVE);
  if (!mount) {
    if (mount.error().number() == ENOENT) return {};
    return std::unexpected(std::move(mount.error()));
  }
  TRY(restrictMount(*mount, kViewAttributes | MOUNT_ATTR_RDONLY, true));
  return sys::moveMount(*mount, view, path);
}

Result<Fd> mountView(const char* type, FdRef target, std::uint64_t attributes) {
  Fd fs = TRY(sys::fsopen(type));
  TRY(sys::fsconfigCreate(fs));
  Fd view = TRY(sys::fsmount(fs, kViewAttributes | attributes));
  TRY(sys::moveMountOnto(view, target));
  return view;
}

}  // namespace

std::span<const Covered> coveredInProc() { return kCoveredInProc; }
std::span<const Covered> coveredInSys() { return kCoveredInSys; }
std::span<const char* const> readOnlyInProc() { return kReadOnlyInProc; }

Result<Fd> mountProc(FdRef target, FdRef empty) {
  Fd view = TRY(mountView("proc", target, 0));
  if constexpr (!kMaskPaths) return view;
  TRY(cover(view, kCoveredInProc, empty));
  for (const char* path : kReadOnlyInProc) TRY(makeReadOnly(view, path));
  return view;
}

Result<Fd> mountSys(FdRef target, FdRef empty) {
  Fd view = TRY(mountView("sysfs", target, MOUNT_ATTR_RDONLY));
  if constexpr (!kMaskPaths) return view;
  TRY(cover(view, kCoveredInSys, empty));
  return view;
}

Result<Fd> mountWholeProc(FdRef target) { return mountView("proc", target, MOUNT_ATTR_RDONLY); }
Result<Fd> mountWholeSys(FdRef target) { return mountView("sysfs", target, MOUNT_ATTR_RDONLY); }

Result<void> cloneOnto(FdRef source, FdRef target) {
  Fd clone = TRY(sys::openTree(source, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE));
  return sys::moveMountOnto(clone, target);
}

Result<void> cloneInto(FdRef source, FdRef directory, const char* name) {
  Fd clone = TRY(sys::openTree(source, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
  return sys::moveMount(clone, directory, name);
}

}  // namespace airlock::stage1
