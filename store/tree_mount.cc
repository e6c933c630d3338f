// SPDX-License-Identifier: Apache-2.0
#include "store/tree_mount.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/syscall.h"
#include "store/layout.h"

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

Result<std::vector<std::string>> mountLowers(FdRef scratch, const std::string& slot,
                                             std::span<const Fd> trees, FdRef ids,
                                             const std::string& label) {
  std::vector<std::string> places;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const Component place = name(slot + "-" + std::to_string(i));
    const Fd layer = TRY(mountTree(trees[i], label)).mount;
    TRY(inContext(shiftIds(layer, ids), "shift the image's ids"));
    TRY(sys::makeDirectory(scratch, place, 0700));
    TRY(sys::moveMount(layer, scratch, place.c_str()));
    places.push_back(place.text());
  }
  return places;
}

namespace {

// What one string of fsconfig(2) may be.
constexpr std::size_t kOptionBytes = 255;

// The paths of many layers are longer than one option of fsconfig(2), and kernels before 6.8 take
// no second one: mount(2) takes a page of them.  Its mount is left behind in this mount namespace.
Result<Fd> mountManyLayers(FdRef scratch, const Overlay& overlay, const std::string& lowers,
                           unsigned attributes) {
  std::string options = "lowerdir=" + lowers;
  if (!overlay.upper.empty())
    options += ",volatile,upperdir=" + overlay.upper + ",workdir=" + overlay.work;
  if (!overlay.label.empty()) options += ",context=\"" + overlay.label + "\"";
  const Component place = name("stack-" + overlay.lowers.back());
  TRY(sys::makeDirectory(scratch, place, 0700));
  if (::fchdir(scratch.get()) != 0) return failErrno("enter the scratch directory");
  const int mounted =
      ::mount("airlock", place.c_str(), "overlay", MS_NODEV | MS_NOSUID, options.c_str());
  const int number = errno;
  if (::chdir("/") != 0) return failErrno("leave the scratch directory");
  errno = number;
  if (mounted != 0) return failErrno("stack the layers");
  Fd copy = TRY(sys::openTree(scratch, place.c_str(), OPEN_TREE_CLONE));
  mount_attr wanted{};
  wanted.attr_set = attributes;
  TRY(sys::mountSetattr(copy, 0, wanted));
  return copy;
}

}  // namespace

Result<Fd> mountOverlay(FdRef scratch, const Overlay& overlay, unsigned attributes) {
  std::string lowers;
  std::string shortLowers;  // from within `scratch`
  for (const std::string& lower : overlay.lowers) {
    const bool absolute = lower.starts_with('/');
    lowers += (lowers.empty() ? "" : ":") + (absolute ? "" : procPath(scratch) + "/") + lower;
    shortLowers += (shortLowers.empty() ? "" : ":") + lower;
  }
  if (lowers.size() > kOptionBytes)
    return mountManyLayers(scratch, overlay, shortLowers, attributes);
  const Fd fs = TRY(sys::fsopen("overlay"));
  TRY(sys::fsconfigString(fs, "source", "airlock"));
  TRY(sys::fsconfigString(fs, "lowerdir", lowers));
  if (!overlay.upper.empty()) {
    TRY(sys::fsconfigString(fs, "upperdir", overlay.upper));
    TRY(sys::fsconfigString(fs, "workdir", overlay.work));
    TRY(sys::fsconfigFlag(fs, "volatile"));
  }
  if (!overlay.label.empty()) TRY(sys::fsconfigString(fs, "context", overlay.label));
  TRY(sys::fsconfigCreate(fs));
  return sys::fsmount(fs, attributes);
}

Result<void> shiftIds(FdRef mount, FdRef ids) {
  mount_attr shift{};
  shift.attr_set = MOUNT_ATTR_IDMAP;
  shift.userns_fd = static_cast<__u64>(ids.get());
  return sys::mountSetattr(mount, 0, shift);
}

}  // namespace airlock::store
