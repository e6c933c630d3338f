// SPDX-License-Identifier: Apache-2.0
#include "store/pod_mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "base/limits.h"
#include "base/process.h"
#include "base/syscall.h"
#include "store/layout.h"
#include "store/pod_streams.h"
#include "store/tree_mount.h"

namespace airlock::store {

namespace {

std::string procPath(FdRef fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

Result<Fd> mappingNamespace(const VolumeOwner& owner, UidRange range) {
  if (owner.uid == 0) return makeUserNamespace({0, 0, range.first, limits::kPodUids});
  return makeUserNamespace({owner.uid, owner.gid, range.first, 1});
}

// A group that the caller is not in stays a stranger's: its files could pass on its rights.
Result<VolumeOwner> ownerOf(FdRef source, const ipc::Peer& caller) {
  const gid_t group = TRY(sys::status(source)).st_gid;
  const bool member = std::ranges::find(caller.groups, group) != caller.groups.end();
  return VolumeOwner{caller.uid, member ? group : caller.gid};
}

}  // namespace

Result<Fd> makeScratch(const Store& store) {
  const Fd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfigString(fs, "mode", "0700"));
  TRY(sys::fsconfigCreate(fs));
  const Fd mount = TRY(sys::fsmount(fs, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  TRY(sys::moveMount(mount, store.store(), "mnt"));
  // Opened again by name: the path through this descriptor leads into the mount.
  return store.folder("mnt");
}

Result<Fd> makeAppRoot(FdRef scratch, std::size_t index, std::span<const Fd> trees, FdRef podIds,
                       const PodPlace& place, const AppName& app) {
  std::vector<std::string> lowers =
      TRY(mountLowers(scratch, std::to_string(index), trees, podIds, place.label.image));
  const Fd upper = TRY(makeUpper(place, app));
  return inContext(mountOverlay(scratch,
                                {.lowers = std::move(lowers),
                                 .upper = procPath(upper) + "/fs",
                                 .work = procPath(upper) + "/work",
                                 .label = place.label.files},
                                MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID),
                   "stack the image of app " + app.text());
}

Result<Fd> makeExportRoot(FdRef scratch, std::span<const Fd> trees, FdRef podIds, FdRef dir,
                          const AppName& app, const std::string& imageLabel) {
  std::vector<std::string> lowers = TRY(mountLowers(scratch, "0", trees, podIds, imageLabel));
  const BeneathPath path = TRY(BeneathPath::parse("upper/" + app.text() + "/fs"));
  const Fd written = TRY(sys::openBeneath(dir, path, O_PATH | O_DIRECTORY));
  lowers.insert(lowers.begin(), procPath(written));
  return inContext(
      mountOverlay(scratch, {.lowers = std::move(lowers), .upper = "", .work = "", .label = ""},
                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC),
      "stack what app " + app.text() + " has left");
}

Result<Fd> makeHostVolume(FdRef hostMounts, FdRef source, const ipc::VolumeSpec& volume,
                          VolumeOwner owner, UidRange range) {
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

Result<Fd> makeEmptyVolume(const PodPlace& place, const ipc::VolumeSpec& volume) {
  const Fd dir = TRY(makeVolume(place, volume));
  Fd mount = TRY(sys::openTree(dir, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
  TRY(sys::mountSetattr(mount, 0, attributes));
  return mount;
}

Result<std::vector<std::pair<int, Fd>>> makeMounts(const Store& store, const MountSources& from) {
  const ipc::PodSpec& spec = from.spec;
  const ipc::Stage1Descriptors numbers{spec};
  const Fd scratch = TRY(makeScratch(store));
  std::vector<std::pair<int, Fd>> mounts;
  mounts.emplace_back(ipc::kStatusDirFd, TRY(makeStatusDirectory(from.files)));
  for (std::size_t i = 0; i < spec.apps.size(); ++i) {
    mounts.emplace_back(numbers.root(i), TRY(makeAppRoot(scratch, i, from.trees[i], from.podIds,
                                                         from.files, spec.apps[i].name)));
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < spec.volumes.size(); ++i) {
    const ipc::VolumeSpec& volume = spec.volumes[i];
    if (volume.kind == ipc::VolumeKind::Empty) {
      mounts.emplace_back(numbers.volume(i), TRY(makeEmptyVolume(from.files, volume)));
      continue;
    }
    const FdRef source = from.volumes[next++];
    mounts.emplace_back(numbers.volume(i),
                        TRY(makeHostVolume(from.hostMounts, source, volume,
                                           TRY(ownerOf(source, from.caller)), from.files.range)));
  }
  if (ipc::keepsStreams(spec)) {
    mounts.emplace_back(numbers.logs(), TRY(makeLogDirectory(from.files, from.logGroup)));
    mounts.emplace_back(numbers.attachSocket(), TRY(makeAttachSocket(from.files)));
  }
  return mounts;
}

}  // namespace airlock::store
