// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/volumes.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/syscall.h"
#include "stage1/container/copy_up.h"
#include "stage1/container/pod_tree.h"

namespace airlock::stage1 {

namespace {

Result<std::uint64_t> mountIdOf(FdRef file) {
  struct statx info;
  if (::statx(file.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &info) != 0) return failErrno("statx");
  return info.stx_mnt_id;
}

bool hasDotDot(std::string_view path) {
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  }
  return false;
}

// One name in `parent`: the directory on the way, or what the volume goes on.
Result<void> makeEntry(FdRef parent, const std::string& name, bool directory) {
  const int made = directory ? ::mkdirat(parent.get(), name.c_str(), 0755)
                             : ::mknodat(parent.get(), name.c_str(), S_IFREG | 0644, 0);
  if (made != 0) return failErrno("make " + quoted(name));
  return {};
}

// Opens `path` in the app's root, making what is missing of it.  Each step starts at the root
// again, so that a link changed by somebody else on the way (two pods with one volume, P01) leads
// to another place in the same root at most.
Result<Fd> openOrMake(FdRef appRoot, const std::string& path, bool directory) {
  if (auto there = sys::openInRoot(appRoot, path, O_PATH);
      there || there.error().number() != ENOENT) {
    return there;
  }
  Fd parent = TRY(sys::openInRoot(appRoot, "/", O_PATH | O_DIRECTORY));
  for (std::size_t begin = path.find_first_not_of('/'); begin != path.npos;) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::size_t next = path.find_first_not_of('/', end);
    const bool last = next == path.npos;
    auto entry = sys::openInRoot(appRoot, path.substr(0, end), O_PATH);
    if (!entry && entry.error().number() == ENOENT) {
      TRY(makeEntry(parent, path.substr(begin, end - begin), !last || directory));
      entry = sys::openInRoot(appRoot, path.substr(0, end), O_PATH);
    }
    parent = TRY(std::move(entry));
    begin = next;
  }
  return parent;
}

struct Place {
  FdRef appRoot;
  std::vector<std::uint64_t> mounts;  // the ids of the app's root and of its volumes so far
};

Result<void> mountVolume(Place& place, const ipc::MountSpec& wanted, const Volume& volume) {
  if (hasDotDot(wanted.target)) {
    return refuse(ErrorKind::Invalid, "E_PATH", "a mount target must not contain \"..\"");
  }
  Fd target = TRY(openOrMake(place.appRoot, wanted.target, volume.directory));
  const std::uint64_t on = TRY(mountIdOf(target));
  const struct stat info = TRY(sys::status(target));
  const struct stat root = TRY(sys::status(place.appRoot));
  const bool isRoot = on == place.mounts.front() && info.st_ino == root.st_ino;
  if (isRoot || std::ranges::find(place.mounts, on) == place.mounts.end()) {
    return refuse(ErrorKind::Invalid, "E_PATH",
                  "a volume cannot be mounted over \"/\" or in /proc, /sys and /dev");
  }
  // Only what the image has there: of another volume this one is no copy.
  if (volume.spec.kind == ipc::VolumeKind::Empty && on == place.mounts.front())
    TRY(inContext(copyUp(target, volume.mount, volume.spec), "copy what the image has there"));
  Fd mount = TRY(sys::openTree(volume.mount, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE));
  const bool readOnly = wanted.readOnly || volume.spec.readOnly;
  TRY(restrictMount(
      mount, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (readOnly ? MOUNT_ATTR_RDONLY : 0U), true));
  TRY(sys::moveMountOnto(mount, target));
  place.mounts.push_back(TRY(mountIdOf(mount)));
  return {};
}

}  // namespace

Result<std::vector<Volume>> attachVolumes(FdRef podRoot, const ipc::PodSpec& spec) {
  const ipc::Stage1Descriptors descriptors{spec};
  std::vector<Volume> volumes;
  for (std::size_t index = 0; index < spec.volumes.size(); ++index) {
    Fd mount = Fd::own(descriptors.volume(index));
    const bool directory = S_ISDIR(TRY(sys::status(mount)).st_mode);
    const std::string path = "volumes/" + std::to_string(index);
    TRY(makeEntry(podRoot, path, directory));
    TRY(inContext(sys::moveMount(mount, podRoot, path.c_str()),
                  "volume " + spec.volumes[index].name.text()));
    TRY(restrictMount(mount, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, true));
    volumes.push_back({spec.volumes[index], std::move(mount), directory});
  }
  return volumes;
}

Result<void> mountVolumes(FdRef appRoot, const ipc::AppSpec& app,
                          const std::vector<Volume>& volumes) {
  if (app.mounts.empty()) return {};
  Place place{appRoot, {TRY(mountIdOf(appRoot))}};
  for (const ipc::MountSpec& wanted : app.mounts) {
    const auto volume = std::ranges::find(volumes, wanted.volume,
                                          [](const Volume& each) { return each.spec.name; });
    if (volume == volumes.end()) {
      return refuse(ErrorKind::Invalid, "E_REQUEST", "no volume " + wanted.volume.text());
    }
    TRY(inContext(mountVolume(place, wanted, *volume), "mount " + quoted(wanted.target)));
  }
  return {};
}

}  // namespace airlock::stage1
