// SPDX-License-Identifier: Apache-2.0
#include "store/tree_mount.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/ioctl.h>

#include "base/syscall.h"

namespace airlock::store {

namespace {

std::string procPath(FdRef fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

// A read-only loop device over the file, gone when its last user is.
Result<Fd> loopDevice(FdRef file) {
  const Fd control = TRY(sys::openPath("/dev/loop-control", O_RDWR));
  for (int tries = 0; tries < 16; ++tries) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return failErrno("find a free loop device");
    Fd device = TRY(sys::openPath("/dev/loop" + std::to_string(number), O_RDONLY));
    loop_config config{};
    config.fd = static_cast<__u32>(file.get());
    config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) return device;
    if (errno != EBUSY) return failErrno("set up a loop device");  // EBUSY: somebody was faster
  }
  return fail(ErrorKind::Busy, "no loop device is free");
}

Result<Fd> mountErofs(const std::string& source, const std::string& label) {
  const Fd fs = TRY(sys::fsopen("erofs"));
  TRY(sys::fsconfigString(fs, "source", source));
  if (!label.empty()) TRY(sys::fsconfigString(fs, "context", label));
  TRY(sys::fsconfigFlag(fs, "ro"));
  TRY(sys::fsconfigCreate(fs));
  return sys::fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
}

}  // namespace

Result<MountedTree> mountTree(FdRef tree, const std::string& label) {
  auto mounted = mountErofs(procPath(tree), label);
  const bool blockOnly = !mounted && mounted.error().number() == ENOTBLK;
  if (blockOnly) {
    const Fd device = TRY(loopDevice(tree));
    mounted = mountErofs(procPath(device), label);
  }
  return MountedTree{TRY(inContext(std::move(mounted), "mount the image")), blockOnly};
}

Result<void> shiftIds(FdRef mount, FdRef ids) {
  mount_attr shift{};
  shift.attr_set = MOUNT_ATTR_IDMAP;
  shift.userns_fd = static_cast<__u64>(ids.get());
  return sys::mountSetattr(mount, 0, shift);
}

}  // namespace airlock::store
