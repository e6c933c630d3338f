// SPDX-License-Identifier: Apache-2.0
// The tree of mounts that a pod lives in: a small file system of our own with each app's root below
// it, and nothing of the host.  The run side of the container flavour.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

struct Volume;

// "/apps/NAME": an app's root, from PID 1's root directory.
std::string appRootPath(const AppName& app);

// The further system call filter of an app, kept by PodTree::keepFilters() for its start and for
// every enter; empty when it has none.  From PID 1's root directory, which no app can reach.
Result<std::vector<sock_filter>> appFilter(const ipc::AppSpec& app);

struct TmpfsOptions {
  const char* mode = "0755";
  const char* size = "64k";
  std::uint64_t attributes = 0;  // MOUNT_ATTR_*, beside NOSUID and NODEV
  const std::string& label;      // of everything in it, for SELinux; "": it is off
};
// Gives everything in a new file system one label.  From a user namespace the kernel takes this for
// tmpfs and devpts, and refuses it for mqueue and proc (selinux_set_mnt_opts).
Result<void> setMountLabel(FdRef fs, const std::string& label);
// A new tmpfs as a detached mount.
Result<Fd> newTmpfs(const TmpfsOptions& options);

class PodTree {
 public:
  // Makes all mounts of this namespace private and puts the pod's own file system on top of "/".
  // What the kernel shows at the host's /proc and /sys stays visible until leaveHost(): without it
  // no fresh one could be mounted.
  // What is mounted has `label`, the pod's own.
  static Result<PodTree> make(const std::string& label);

  // Of an app that is added to a sandbox, in whose root directory this process is: it gets the
  // pod's shared memory and message queues.  Before attach().
  Result<void> shareWithSandbox();

  // Takes over the helper's detached mounts, for every app: root, kernel views, devices, files,
  // volumes.
  Result<void> attach(const ipc::PodSpec& spec);

  // Takes over the descriptors of the apps' further filters.
  Result<void> keepFilters(const ipc::PodSpec& spec);

  // Makes the pod's file system the root and lets go of the host's.
  Result<void> leaveHost();

  // After attach(): the master and slave side of the first app's terminal; not valid without one.
  const Fd& terminalMaster() const { return terminalMaster_; }
  const Fd& terminal() const { return terminal_; }

  // After attach(): the notify socket of each app, in order; not valid for one that does not
  // notify.
  std::vector<Fd> takeNotifySockets() { return std::move(notify_); }

  FdRef root() const { return root_.ref(); }
  FdRef emptyDirectory() const { return empty_.ref(); }

 private:
  PodTree(Fd root, std::string label) : root_(std::move(root)), label_(std::move(label)) {}
  Result<Fd> attachRoot(const ipc::AppSpec& app, Fd mount);
  Result<void> furnish(const ipc::PodSpec& spec, const ipc::AppSpec& app, FdRef appRoot);
  Result<void> showJournal(const ipc::PodSpec& spec, const std::vector<Volume>& volumes);

  Fd root_;
  std::string label_;
  Fd empty_;  // an empty read-only directory, to cover others with
  Fd proc_;   // the first app's views, cloned for the others
  Fd sys_;
  Fd shm_;
  Fd mqueue_;
  Fd terminalMaster_;
  Fd terminal_;
  std::vector<Fd> notify_;
};

// A directory of an app's root that we mount on: made if missing, opened without following a link.
// E_ROOT when the image has something else there (P02, P04).
Result<Fd> ownMountPoint(FdRef appRoot, const char* name);

// Adds attributes to a mount and, with `recursive`, to those below it, and ends their propagation
// (P12).
Result<void> restrictMount(FdRef mount, std::uint64_t attributes, bool recursive);

}  // namespace airlock::stage1
