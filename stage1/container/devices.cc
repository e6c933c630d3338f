// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/devices.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/syscall.h"
#include "stage1/container/pod_tree.h"

namespace airlock::stage1 {

namespace {

// Documentation/admin-guide/devices.txt of the kernel.
struct Node {
  const char* name;
  unsigned major;
  unsigned minor;
};
constexpr Node kNodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                           {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

struct Link {
  const char* name;
  const char* target;
};
constexpr Link kLinks[] = {{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
                           {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
                           {"core", "/proc/kcore"},       {"ptmx", "pts/ptmx"}};

constexpr const char* kDeviceSize = "1m";
constexpr const char* kSharedMemorySize = "64m";
constexpr unsigned kTerminalMajor = 136;  // Unix98 pty slaves

Result<void> makeEntry(FdRef directory, const char* name, mode_t typeAndMode) {
  const int made = S_ISDIR(typeAndMode) ? ::mkdirat(directory.get(), name, typeAndMode & 07777)
                                        : ::mknodat(directory.get(), name, typeAndMode, 0);
  if (made != 0) return failErrno(std::string("make /dev/") + name);
  return {};
}

}  // namespace

Result<Fd> cloneHostDevice(const std::string& name) {
  for (const Node& node : kNodes) {
    if (name != node.name) continue;
    Fd mount = TRY(sys::openTree(currentDirectory(), ("/dev/" + name).c_str(), OPEN_TREE_CLONE));
    const struct stat info = TRY(sys::status(mount));
    if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(node.major, node.minor)) return mount;
    break;
  }
  return refuse(ErrorKind::Invalid, "E_DEVICE", "/dev/" + name + " of the host is not that device");
}

Result<Devices> mountDevices(Fd target, const std::string& label) {
  Fd directory =
      TRY(newTmpfs({.size = kDeviceSize, .attributes = MOUNT_ATTR_NOEXEC, .label = label}));
  TRY(sys::moveMountOnto(directory, target));
  for (const Node& node : kNodes) {
    Fd device = TRY(cloneHostDevice(node.name));
    TRY(makeEntry(directory, node.name, S_IFREG | 0666));
    TRY(sys::moveMount(device, directory, node.name));
  }
  for (const char* name : {"pts", "shm", "mqueue"}) TRY(makeEntry(directory, name, S_IFDIR | 0755));
  for (const Link& link : kLinks) {
    if (::symlinkat(link.target, directory.get(), link.name) != 0) {
      return failErrno(std::string("make /dev/") + link.name);
    }
  }

  Fd fs = TRY(sys::fsopen("devpts"));
  TRY(sys::fsconfigString(fs, "ptmxmode", "0666"));
  TRY(sys::fsconfigString(fs, "mode", "0620"));
  TRY(sys::fsconfigString(fs, "gid", "5"));  // tty on every distribution
  TRY(setMountLabel(fs, label));
  TRY(sys::fsconfigCreate(fs));
  Fd terminals = TRY(sys::fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  TRY(sys::moveMount(terminals, directory, "pts"));
  return Devices{std::move(directory), std::move(terminals)};
}

Result<Fd> mountSharedMemory(FdRef devices, const std::string& label) {
  Fd mount = TRY(newTmpfs({.mode = "1777",
                           .size = kSharedMemorySize,
                           .attributes = MOUNT_ATTR_NOEXEC,
                           .label = label}));
  TRY(sys::moveMount(mount, devices, "shm"));
  return mount;
}

Result<Fd> mountMessageQueues(FdRef devices) {
  Fd fs = TRY(sys::fsopen("mqueue"));
  TRY(sys::fsconfigCreate(fs));
  Fd mount = TRY(sys::fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  TRY(sys::moveMount(mount, devices, "mqueue"));
  return mount;
}

Result<void> mountConsole(FdRef terminal, FdRef devices) {
  // From the open descriptor: whatever its name means by now is not asked (P03).
  Fd mount = TRY(sys::openTree(terminal, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
  const struct stat info = TRY(sys::status(mount));
  if (!S_ISCHR(info.st_mode) || major(info.st_rdev) != kTerminalMajor) {
    return refuse(ErrorKind::Invalid, "E_DEVICE", "the pod's terminal is not a pseudo terminal");
  }
  TRY(makeEntry(devices, "console", S_IFREG | 0600));
  return sys::moveMount(mount, devices, "console");
}

}  // namespace airlock::stage1
