// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/copy_up.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::stage1 {

namespace {

constexpr std::size_t kCopyBytes = 16 * limits::MiB;  // of one call

Result<Fd> openEntry(FdRef directory, const char* name, int flags, mode_t mode = 0) {
  Fd file = Fd::own(::openat(directory.get(), name, flags | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file.valid()) return failErrno("open " + quoted(name));
  return file;
}

Result<void> takeOwner(FdRef to, const struct stat& from) {
  // In this order: chown takes set-id bits away (chown(2)).
  if (::fchown(to.get(), from.st_uid, from.st_gid) != 0) return failErrno("chown");
  if (::fchmod(to.get(), from.st_mode & 07777) != 0) return failErrno("chmod");
  const std::array<timespec, 2> times = {from.st_atim, from.st_mtim};
  if (::futimens(to.get(), times.data()) != 0) return failErrno("set the times");
  return {};
}

// The user's own attributes; file capabilities have no effect on a volume, which is nosuid.
Result<void> copyAttributes(FdRef from, FdRef to) {
  std::array<char, limits::kXattrBytes> names;
  const ssize_t size = ::flistxattr(from.get(), names.data(), names.size());
  if (size <= 0) return {};
  for (std::string_view rest(names.data(), static_cast<std::size_t>(size)); !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (!name.starts_with("user.")) continue;
    std::array<char, limits::kXattrBytes> value;
    const ssize_t length = ::fgetxattr(from.get(), name.c_str(), value.data(), value.size());
    if (length < 0) continue;
    const auto count = static_cast<std::size_t>(length);
    if (::fsetxattr(to.get(), name.c_str(), value.data(), count, 0) != 0 && errno != ENOTSUP)
      return failErrno("copy an attribute");
  }
  return {};
}

Result<void> copyFile(FdRef from, FdRef to, const char* name, const struct stat& info) {
  const Fd source = TRY(openEntry(from, name, O_RDONLY | O_NONBLOCK));
  const Fd copy = TRY(openEntry(to, name, O_WRONLY | O_CREAT | O_EXCL, 0600));
  for (;;) {
    const ssize_t sent = ::sendfile(copy.get(), source.get(), nullptr, kCopyBytes);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return failErrno("copy " + quoted(name));
    if (sent == 0) break;
  }
  TRY(copyAttributes(source, copy));
  return takeOwner(copy, info);
}

Result<void> copyLink(FdRef from, FdRef to, const char* name, const struct stat& info) {
  std::array<char, limits::kPathBytes + 1> target;
  const ssize_t length = ::readlinkat(from.get(), name, target.data(), target.size());
  if (length < 0) return failErrno("read the link " + quoted(name));
  const std::string text(target.data(), static_cast<std::size_t>(length));
  if (::symlinkat(text.c_str(), to.get(), name) != 0 ||
      ::fchownat(to.get(), name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
    return failErrno("copy the link " + quoted(name));
  return {};
}

Result<void> copyDirectory(FdRef from, FdRef to, std::size_t depth);

Result<void> copyEntry(FdRef from, FdRef to, const char* name, std::size_t depth) {
  struct stat info;
  if (::fstatat(from.get(), name, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return failErrno("stat " + quoted(name));
  switch (info.st_mode & S_IFMT) {
    case S_IFREG:
      return copyFile(from, to, name, info);
    case S_IFLNK:
      return copyLink(from, to, name, info);
    case S_IFDIR: {
      if (::mkdirat(to.get(), name, 0700) != 0) return failErrno("make " + quoted(name));
      const Fd source = TRY(openEntry(from, name, O_RDONLY | O_DIRECTORY));
      const Fd copy = TRY(openEntry(to, name, O_RDONLY | O_DIRECTORY));
      TRY(copyDirectory(source, copy, depth + 1));
      TRY(copyAttributes(source, copy));
      return takeOwner(copy, info);
    }
    default:
      return {};
  }
}

Result<void> copyDirectory(FdRef from, FdRef to, std::size_t depth) {
  if (depth > limits::kTreeDepth) return fail(ErrorKind::Invalid, "directories are too deep");
  for (const std::string& name : TRY(sys::list(from)))
    TRY(copyEntry(from, to, name.c_str(), depth));
  return {};
}

}  // namespace

Result<void> copyUp(FdRef place, FdRef volume, const ipc::VolumeSpec& spec) {
  const Fd source = TRY(openEntry(place, ".", O_RDONLY | O_DIRECTORY));
  const Fd copy = TRY(openEntry(volume, ".", O_RDONLY | O_DIRECTORY));
  // Another app of the pod had it first.
  if (!TRY(sys::list(copy)).empty()) return {};
  TRY(copyDirectory(source, copy, 0));
  const ipc::VolumeSpec unasked{.name = spec.name};
  if (spec.mode != unasked.mode || spec.uid != unasked.uid || spec.gid != unasked.gid) return {};
  return takeOwner(copy, TRY(sys::status(source)));
}

}  // namespace airlock::stage1
