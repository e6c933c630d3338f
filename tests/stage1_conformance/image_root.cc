// SPDX-License-Identifier: Apache-2.0
// The root directories that tests make for their apps.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stage1_conformance/launcher.h"
#include "tests/stage1_conformance/steps.h"

namespace airlock::conformance {

namespace {

void makeProgram(FdRef root, const std::string& content, const char* to) {
  Fd file = Fd::own(::openat(root.get(), to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
  check(file.valid(), to);
  need(sys::writeAll(file, content));
  check(::fchmod(file.get(), 0755) == 0 && ::fchown(file.get(), kHostBase, kHostBase) == 0, to);
}

}  // namespace

Fd newMount(const char* mode) {
  Fd fs = need(sys::fsopen("tmpfs"));
  need(sys::fsconfigString(fs, "mode", mode));
  need(sys::fsconfigString(fs, "uid", std::to_string(kHostBase)));
  need(sys::fsconfigString(fs, "gid", std::to_string(kHostBase)));
  need(sys::fsconfigCreate(fs));
  return need(sys::fsmount(fs, 0));
}

ImageRoot::ImageRoot() : mount_(newMount("0755")) {
  directory("/bin").directory("/etc");
  static const std::string busybox = contentOf("/bin/busybox");
  static const std::string probe = contentOf(AIRLOCK_BINARY_DIR "/tests/stage1_probe");
  makeProgram(mount_, busybox, "bin/busybox");
  makeProgram(mount_, probe, "bin/probe");
  for (const char* name :
       {"sh",     "cat",   "echo", "sleep",    "id",   "ls",    "kill",  "env",   "pwd", "grep",
        "true",   "false", "tty",  "readlink", "stat", "touch", "mkdir", "mknod", "ip",  "hostname",
        "umount", "mount", "test", "chmod",    "wc",   "head",  "dd",    "cut"}) {
    link(std::string("/bin/") + name, "busybox");
  }
}
ImageRoot& ImageRoot::directory(const std::string& path, mode_t mode) {
  const char* name = path.c_str() + 1;
  check(::mkdirat(mount_.get(), name, mode) == 0 || errno == EEXIST, name);
  check(::fchmodat(mount_.get(), name, mode, 0) == 0, name);
  return owner(path, 0, 0);
}
ImageRoot& ImageRoot::file(const std::string& path, const std::string& content, mode_t mode) {
  Fd file = Fd::own(::openat(mount_.get(), path.c_str() + 1, O_WRONLY | O_CREAT | O_CLOEXEC, mode));
  check(file.valid(), path.c_str());
  need(sys::writeAll(file, content));
  check(::fchmod(file.get(), mode) == 0, path.c_str());
  return owner(path, 0, 0);
}
ImageRoot& ImageRoot::link(const std::string& path, const std::string& target) {
  check(::symlinkat(target.c_str(), mount_.get(), path.c_str() + 1) == 0, path.c_str());
  return owner(path, 0, 0);
}
ImageRoot& ImageRoot::owner(const std::string& path, std::uint32_t podUid, std::uint32_t podGid) {
  check(::fchownat(mount_.get(), path.c_str() + 1, kHostBase + podUid, kHostBase + podGid,
                   AT_SYMLINK_NOFOLLOW) == 0,
        path.c_str());
  return *this;
}
ImageRoot& ImageRoot::mode(const std::string& path, mode_t mode) {
  check(::fchmodat(mount_.get(), path.c_str() + 1, mode, 0) == 0, path.c_str());
  return *this;
}
ImageRoot& ImageRoot::stack(const std::string& scratch) {
  Fd directory = need(sys::openPath(scratch, O_RDONLY | O_DIRECTORY));
  for (const char* name : {"lower", "upper", "work"}) {
    need(sys::makeDirectory(directory, need(Component::parse(name)), 0755));
    check(::fchownat(directory.get(), name, kHostBase, kHostBase, 0) == 0, name);
  }
  // Only an attached mount can be a layer; it is let go again below.
  const std::string lower = scratch + "/lower";
  need(sys::moveMount(mount_, directory, "lower"));
  Fd fs = need(sys::fsopen("overlay"));
  need(sys::fsconfigString(fs, "lowerdir", lower));
  need(sys::fsconfigString(fs, "upperdir", scratch + "/upper"));
  need(sys::fsconfigString(fs, "workdir", scratch + "/work"));
  auto created = sys::fsconfigCreate(fs);
  need(sys::unmount(lower.c_str(), MNT_DETACH));
  need(std::move(created));
  mount_ = need(sys::fsmount(fs, MOUNT_ATTR_NODEV));
  return *this;
}
ImageRoot& ImageRoot::fifo(const std::string& path) {
  check(::mknodat(mount_.get(), path.c_str() + 1, S_IFIFO | 0644, 0) == 0, path.c_str());
  return owner(path, 0, 0);
}
ImageRoot& ImageRoot::remove(const std::string& path) {
  const char* name = path.c_str() + 1;
  check(::unlinkat(mount_.get(), name, 0) == 0 || ::unlinkat(mount_.get(), name, AT_REMOVEDIR) == 0,
        name);
  return *this;
}
Fd emptyMount() { return newMount("0755"); }

}  // namespace airlock::conformance
