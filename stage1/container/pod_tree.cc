// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/pod_tree.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"
#include "stage1/container/app_files.h"
#include "stage1/container/devices.h"
#include "stage1/container/kernel_views.h"
#include "stage1/container/terminal.h"
#include "stage1/container/volumes.h"
#include "stage1/contract/notify.h"
#include "stage1/contract/spec_reader.h"

namespace airlock::stage1 {

std::string appRootPath(const AppName& app) { return "/apps/" + app.text(); }

Result<std::vector<sock_filter>> appFilter(const ipc::AppSpec& app) {
  if (!app.hasExtraFilter) return std::vector<sock_filter>();
  Fd file = TRY(sys::openPath("/filters/" + app.name.text(), O_RDONLY | O_NOFOLLOW));
  return parseFilter(TRY(sys::readAll(file, limits::kSealedBytes)));
}

Result<void> setMountLabel(FdRef fs, const std::string& label) {
  return label.empty() ? Result<void>() : sys::fsconfigString(fs, "context", label);
}

Result<Fd> newTmpfs(const TmpfsOptions& options) {
  Fd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfigString(fs, "mode", options.mode));
  TRY(sys::fsconfigString(fs, "size", options.size));
  TRY(setMountLabel(fs, options.label));
  TRY(sys::fsconfigCreate(fs));
  return sys::fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | options.attributes);
}

Result<void> restrictMount(FdRef mount, std::uint64_t attributes, bool recursive) {
  mount_attr attr{};
  attr.attr_set = attributes;
  attr.propagation = MS_PRIVATE;
  return sys::mountSetattr(mount, recursive ? AT_RECURSIVE : 0, attr);
}

Result<Fd> ownMountPoint(FdRef appRoot, const char* name) {
  if (::mkdirat(appRoot.get(), name, 0755) != 0 && errno != EEXIST) {
    return failErrno(std::string("make /") + name + " in the image, which has none");
  }
  const Component component = TRY(Component::parse(name));
  auto directory = sys::openBeneath(appRoot, component, O_PATH | O_DIRECTORY);
  if (directory) return directory;
  return refuse(
      ErrorKind::Invalid, "E_ROOT",
      std::string("/") + name + " of the image is not a directory: " + directory.error().message());
}

Result<PodTree> PodTree::make(const std::string& label) {
  Fd host = TRY(sys::openPath("/", O_PATH | O_DIRECTORY));
  TRY(restrictMount(host, 0, true));
  PodTree tree(
      TRY(newTmpfs(
          {.mode = "0700", .size = "1m", .attributes = MOUNT_ATTR_NOEXEC, .label = label})),
      label);
  TRY(sys::moveMount(tree.root_, currentDirectory(), "/"));
  for (const char* name : {"apps", "volumes", "filters", "empty"}) {
    const Component directory = TRY(Component::parse(name));
    TRY(sys::makeDirectory(tree.root_, directory, 0700));
  }
  tree.empty_ = TRY(newTmpfs(
      {.size = "4k", .attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, .label = label}));
  TRY(sys::moveMount(tree.empty_, tree.root_, "empty"));
  return tree;
}

Result<void> PodTree::shareWithSandbox() {
  // Where they are: a copy that is attached nowhere cannot be cloned on kernels before 6.15.
  const unsigned flags = OPEN_TREE_CLOEXEC;
  shm_ = TRY(inContext(sys::openTree(currentDirectory(), "/dev/shm", flags), "the pod's memory"));
  mqueue_ = TRY(inContext(sys::openTree(currentDirectory(), "/dev/mqueue", flags), "its queues"));
  return {};
}

Result<void> PodTree::attach(const ipc::PodSpec& spec) {
  const ipc::Stage1Descriptors descriptors{spec};
  // Attached first, because only an attached mount can be cloned on kernels before 6.15, and one
  // volume may be wanted at several places.
  const std::vector<Volume> volumes = TRY(attachVolumes(root_, spec));
  for (std::size_t index = 0; index < spec.apps.size(); ++index) {
    const ipc::AppSpec& app = spec.apps[index];
    const auto one = [&]() -> Result<void> {
      Fd appRoot = TRY(attachRoot(app, Fd::own(descriptors.root(index))));
      TRY(furnish(spec, app, appRoot));
      TRY(mountVolumes(appRoot, app, volumes));
      // Last: what is mounted below stays as it is, and no mount point has to be made any more.
      if (app.readOnlyRoot) TRY(restrictMount(appRoot, MOUNT_ATTR_RDONLY, false));
      return {};
    };
    TRY(inContext(one(), "app " + app.name.text()));
  }
  return showJournal(spec, volumes);
}

// Where journalctl -M looks below the root of a machine's first process, which is ours and no
// app's: in a directory that is called as a machine id is.
Result<void> PodTree::showJournal(const ipc::PodSpec& spec, const std::vector<Volume>& volumes) {
  const auto volume = std::ranges::find(volumes, spec.journal,
                                        [](const Volume& each) { return each.spec.name.text(); });
  if (volume == volumes.end()) return {};
  std::string id = spec.id.text();
  std::erase(id, '-');
  Fd place = TRY(sys::duplicate(root_));
  for (const std::string& name :
       {std::string("run"), std::string("log"), std::string("journal"), id})
    place = TRY(sys::ensureDirectory(place, TRY(Component::parse(name)), 0755));
  Fd mount = TRY(sys::openTree(volume->mount, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
  TRY(restrictMount(mount, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false));
  return inContext(sys::moveMountOnto(mount, place), "show the journal");
}

Result<Fd> PodTree::attachRoot(const ipc::AppSpec& app, Fd mount) {
  const Component directory = TRY(Component::parse("apps"));
  Fd apps = TRY(sys::openBeneath(root_, directory, O_PATH | O_DIRECTORY));
  const Component name = TRY(Component::parse(app.name.text()));
  TRY(sys::makeDirectory(apps, name, 0700));
  Fd target = TRY(sys::openBeneath(apps, name, O_PATH | O_DIRECTORY));
  TRY(sys::moveMountOnto(mount, target));
  // An image's setuid files work only where the app may gain rights by exec at all (P13, K14).
  const std::uint64_t attributes =
      MOUNT_ATTR_NODEV | (app.noNewPrivileges ? MOUNT_ATTR_NOSUID : 0U);
  TRY(restrictMount(mount, attributes, true));
  return mount;
}

Result<void> PodTree::furnish(const ipc::PodSpec& spec, const ipc::AppSpec& app, FdRef appRoot) {
  Fd proc = TRY(ownMountPoint(appRoot, "proc"));
  Fd sys = TRY(ownMountPoint(appRoot, "sys"));
  const bool first = !proc_.valid();
  if (first) {
    proc_ = TRY(mountProc(proc, empty_));
    if (spec.network == ipc::Network::Loopback) sys_ = TRY(mountSys(sys, empty_));
  } else {
    // The same views, covers included: one pid namespace, one network.
    TRY(cloneOnto(proc_, proc));
    if (sys_.valid()) TRY(cloneOnto(sys_, sys));
  }

  Fd dev = TRY(ownMountPoint(appRoot, "dev"));
  Devices devices = TRY(mountDevices(std::move(dev), label_));
  if (!shm_.valid()) {
    shm_ = TRY(mountSharedMemory(devices.directory, label_));
    mqueue_ = TRY(mountMessageQueues(devices.directory));
  } else {
    TRY(cloneInto(shm_, devices.directory, "shm"));
    TRY(cloneInto(mqueue_, devices.directory, "mqueue"));
  }
  if (spec.terminal && first) {
    terminalMaster_ = TRY(openTerminal(devices.terminals));
    terminal_ = TRY(openPeer(terminalMaster_));
    TRY(mountConsole(terminal_, devices.directory));
  }
  Fd& notify = notify_.emplace_back();
  if (app.notify) notify = TRY(makeNotifySocket(devices.directory));
  return makeAppFiles(appRoot, spec);
}

Result<void> PodTree::keepFilters(const ipc::PodSpec& spec) {
  const ipc::Stage1Descriptors descriptors{spec};
  for (std::size_t index = 0; index < spec.apps.size(); ++index) {
    if (!spec.apps[index].hasExtraFilter) continue;
    const std::string bytes = TRY(readFilterBytes(Fd::own(descriptors.filter(index))));
    const BeneathPath path = TRY(BeneathPath::parse("filters/" + spec.apps[index].name.text()));
    Fd file = TRY(sys::openBeneath(root_, path, O_WRONLY | O_CREAT | O_EXCL, 0400));
    TRY(sys::writeAll(file, bytes));
  }
  return {};
}

Result<void> PodTree::leaveHost() {
  if (::fchdir(root_.get()) != 0) return failErrno("enter the pod's root");
  // The old root ends up on top of the new one, and goes.  (pivot_root(2), "pivot_root(".", ".")")
  TRY(sys::pivotRoot(".", "."));
  TRY(sys::unmount(".", MNT_DETACH));
  if (::chdir("/") != 0) return failErrno("enter the pod's root");
  return restrictMount(root_, MOUNT_ATTR_RDONLY, false);
}

}  // namespace airlock::stage1
