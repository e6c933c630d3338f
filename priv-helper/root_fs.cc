// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/root_fs.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/process.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::helper {

namespace {

std::string procPath(FdRef fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

// A read-only loop device over the file, gone when its last user is: for kernels before 6.12, whose
// EROFS takes block devices only.
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

Result<Fd> mountTree(FdRef tree, FdRef podIds, const std::string& label) {
  auto mounted = mountErofs(procPath(tree), label);
  if (!mounted && mounted.error().number() == ENOTBLK) {
    const Fd device = TRY(loopDevice(tree));
    mounted = mountErofs(procPath(device), label);
  }
  Fd mount = TRY(inContext(std::move(mounted), "mount the image"));
  mount_attr shift{};
  shift.attr_set = MOUNT_ATTR_IDMAP;
  shift.userns_fd = static_cast<__u64>(podIds.get());
  TRY(inContext(sys::mountSetattr(mount, 0, shift), "shift the image's ids"));
  return mount;
}

Result<Fd> mappingNamespace(const VolumeOwner& owner, store::UidRange range) {
  if (owner.uid == 0) return makeUserNamespace({0, 0, range.first, limits::kPodUids});
  return makeUserNamespace({owner.uid, owner.gid, range.first, 1});
}

}  // namespace

Result<Fd> makeScratch(const store::Store& store) {
  const Fd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfigString(fs, "mode", "0700"));
  TRY(sys::fsconfigCreate(fs));
  const Fd mount = TRY(sys::fsmount(fs, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  TRY(sys::moveMount(mount, store.store(), "mnt"));
  // Opened again by name: the path through this descriptor leads into the mount.
  return store.folder("mnt");
}

Result<Fd> makeAppRoot(FdRef scratch, std::size_t index, FdRef tree, FdRef podIds,
                       const store::PodPlace& place, const AppName& app) {
  const Component slot = store::name(std::to_string(index));
  const Fd layer = TRY(mountTree(tree, podIds, place.label.image));
  TRY(sys::makeDirectory(scratch, slot, 0700));
  TRY(sys::moveMount(layer, scratch, slot.c_str()));

  const Fd upper = TRY(store::makeUpper(place, app));
  const Fd fs = TRY(sys::fsopen("overlay"));
  TRY(sys::fsconfigString(fs, "source", "airlock"));
  TRY(sys::fsconfigString(fs, "lowerdir", procPath(scratch) + "/" + slot.text()));
  TRY(sys::fsconfigString(fs, "upperdir", procPath(upper) + "/fs"));
  TRY(sys::fsconfigString(fs, "workdir", procPath(upper) + "/work"));
  if (!place.label.files.empty()) TRY(sys::fsconfigString(fs, "context", place.label.files));
  // Nothing here outlives the pod in a way that a power cut could matter to; and the end of the pod
  // need not wait for the disk.
  TRY(sys::fsconfigFlag(fs, "volatile"));
  TRY(inContext(sys::fsconfigCreate(fs), "stack the image of app " + app.text()));
  return sys::fsmount(fs, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
}

Result<Fd> makeHostVolume(FdRef hostMounts, FdRef source, const ipc::VolumeSpec& volume,
                          VolumeOwner owner, store::UidRange range) {
  const unsigned recursive = volume.recursive ? AT_RECURSIVE : 0;
  // A mount can be copied only in the namespace that its descriptor was opened in: the caller's,
  // which must be the one that we were started in.
  const Fd ours = TRY(sys::openPath("/proc/self/ns/mnt", O_RDONLY));
  if (::setns(hostMounts.get(), CLONE_NEWNS) != 0)
    return failErrno("join the host's mount namespace");
  auto copied = sys::openTree(source, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | recursive);
  if (::setns(ours.get(), CLONE_NEWNS) != 0) return failErrno("leave the host's mount namespace");
  Fd mount = TRY(inContext(std::move(copied), "volume " + volume.name.text()));
  const Fd ids = TRY(mappingNamespace(owner, range));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
                        (volume.readOnly ? static_cast<__u64>(MOUNT_ATTR_RDONLY) : 0);
  attributes.userns_fd = static_cast<__u64>(ids.get());
  attributes.propagation = MS_PRIVATE;
  TRY(inContext(sys::mountSetattr(mount, recursive, attributes), "volume " + volume.name.text()));
  return mount;
}

Result<Fd> makeEmptyVolume(const store::PodPlace& place, const ipc::VolumeSpec& volume) {
  const Fd dir = TRY(store::makeVolume(place, volume));
  Fd mount = TRY(sys::openTree(dir, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
  TRY(sys::mountSetattr(mount, 0, attributes));
  return mount;
}

}  // namespace airlock::helper
