// SPDX-License-Identifier: Apache-2.0
#include "verifier/private_root.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::verifier {

namespace {

constexpr std::uint64_t kReadOnly = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;

// Something of the host that stays visible, read-only, under the same path.
struct Visible {
  const char* path;
  bool directory;
  bool required;
  std::uint64_t attributes;
};
constexpr Visible kGnuPgNeeds[] = {
    {"/usr/bin/gpg", false, true, kReadOnly | MOUNT_ATTR_NODEV},
    {"/usr/lib", true, true, kReadOnly | MOUNT_ATTR_NODEV},
    {"/usr/lib64", true, false, kReadOnly | MOUNT_ATTR_NODEV},
    {"/lib", true, false,
     kReadOnly | MOUNT_ATTR_NODEV},  // the loader's path; a link to usr/lib on most hosts
    {"/lib64", true, false, kReadOnly | MOUNT_ATTR_NODEV},
    {"/etc/ld.so.cache", false, false, kReadOnly | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC},
    {"/dev/null", false, true, kReadOnly | MOUNT_ATTR_NOEXEC},  // GPGME's stdin and stdout for gpg
};

Result<void> writeMap(const char* path, const std::string& text) {
  const Fd file = TRY(sys::openPath(path, O_WRONLY));
  return sys::writeAll(file, text);
}

Result<void> newNamespaces() {
  if (::unshare(CLONE_NEWNS) == 0) return {};
  const std::string uid = std::to_string(::geteuid());
  const std::string gid = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return failErrno("make a user namespace");
  TRY(writeMap("/proc/self/setgroups",
               "deny"));  // user_namespaces(7): before an unprivileged gid map
  TRY(writeMap("/proc/self/uid_map", uid + " " + uid + " 1\n"));
  TRY(writeMap("/proc/self/gid_map", gid + " " + gid + " 1\n"));
  return {};
}

struct Piece {
  const Visible* what;
  std::string link;  // its target when it is a symbolic link
  Fd mount;          // else a detached copy
};

// Everything that is taken along is held by descriptor before anything is mounted over.
Result<std::vector<Piece>> collect() {
  std::vector<Piece> pieces;
  for (const Visible& one : kGnuPgNeeds) {
    struct stat info;
    if (::lstat(one.path, &info) != 0) {
      if (one.required) return failErrno(std::string("find ") + one.path);
      continue;
    }
    Piece piece{&one, {}, {}};
    if (S_ISLNK(info.st_mode) && one.directory) {
      char target[256];
      const ssize_t length = ::readlink(one.path, target, sizeof target);
      if (length <= 0) return failErrno(std::string("read the link ") + one.path);
      piece.link.assign(target, static_cast<std::size_t>(length));
    } else {
      piece.mount = TRY(sys::openTree(FdRef(AT_FDCWD), one.path, OPEN_TREE_CLONE | AT_RECURSIVE));
      mount_attr attributes{};
      attributes.attr_set = one.attributes;
      TRY(inContext(sys::mountSetattr(piece.mount, AT_RECURSIVE, attributes), one.path));
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

Result<Fd> makeTmpfs() {
  const Fd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfigString(fs, "size", std::to_string(limits::kKeyRingBytes)));
  TRY(sys::fsconfigString(fs, "nr_inodes", "256"));
  TRY(sys::fsconfigString(fs, "mode", "0700"));
  TRY(sys::fsconfigCreate(fs));
  return sys::fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

Result<void> place(FdRef root, const Piece& piece) {
  const char* relative = piece.what->path + 1;
  if (!piece.link.empty()) {
    if (::symlinkat(piece.link.c_str(), root.get(), relative) != 0) return failErrno("make a link");
    return {};
  }
  if (piece.what->directory) {
    if (::mkdirat(root.get(), relative, 0755) != 0) return failErrno("make a directory");
  } else {
    const Fd file =
        Fd::own(::openat(root.get(), relative, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (!file.valid()) return failErrno("make a file");
  }
  return sys::moveMount(piece.mount, root, relative);
}

Result<void> furnish(FdRef root, const std::vector<Piece>& pieces) {
  for (const char* directory : {"usr", "usr/bin", "etc", "dev"}) {
    if (::mkdirat(root.get(), directory, 0755) != 0) return failErrno("make a directory");
  }
  if (::mkdirat(root.get(), kKeyHome + 1, 0700) != 0) return failErrno("make the key directory");
  for (const Piece& piece : pieces) TRY(inContext(place(root, piece), piece.what->path));
  return {};
}

Result<void> moveIn(RootContent content) {
  TRY(newNamespaces());
  // Nothing that is mounted from here on may reach the host, and nothing of the host's may arrive.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return failErrno("make mounts private");
  std::vector<Piece> pieces;
  if (content == RootContent::GnuPg) pieces = TRY(collect());
  const Fd root = TRY(makeTmpfs());
  // A mount takes others only once it is attached; /proc is sure to be there, and not needed any
  // more.
  TRY(sys::moveMount(root, FdRef(AT_FDCWD), "/proc"));
  if (content == RootContent::GnuPg) TRY(furnish(root, pieces));
  if (content == RootContent::Empty) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    TRY(sys::mountSetattr(root, 0, attributes));
  }
  // pivot_root(2), "pivot_root(".", ".")": the old root lies over the new one and is taken off.
  if (::fchdir(root.get()) != 0) return failErrno("enter the private root");
  TRY(sys::pivotRoot(".", "."));
  TRY(sys::unmount(".", MNT_DETACH));
  if (::chdir("/") != 0) return failErrno("chdir /");
  return {};
}

}  // namespace

Result<void> enterPrivateRoot(RootContent content) {
  auto moved = moveIn(content);
  if (moved) return {};
  return refuse(
      ErrorKind::Unsupported, "E_SANDBOX",
      "the verifier cannot make itself a private root: " + moved.error().text(),
      "Allow user namespaces (sysctl user.max_user_namespaces), or run the command as root");
}

}  // namespace airlock::verifier
