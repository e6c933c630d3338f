// SPDX-License-Identifier: Apache-2.0
#include "base/syscall.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <limits>

namespace airlock::sys {

namespace {

template <class Call>
auto retry(Call call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

Result<Fd> owned(long fd, std::string_view what) {
  if (fd < 0) return failErrno(what);
  return Fd::own(static_cast<int>(fd));
}

Result<void> done(long result, std::string_view what) {
  if (result < 0) return failErrno(what);
  return {};
}

Result<Fd> openat2(FdRef dir, const char* path, int flags, mode_t mode, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = resolve;
  // EAGAIN: a rename raced with the walk (openat2(2)); trying again is the documented answer.
  long fd;
  int tries = 0;
  do {
    fd = retry([&] { return ::syscall(SYS_openat2, dir.get(), path, &how, sizeof how); });
  } while (fd < 0 && errno == EAGAIN && ++tries < 32);
  return owned(fd, std::string("open ") + path);
}

// As openat2 with kBeneath does it, a component at a time: none of them is "..", and no link is
// followed.
Result<Fd> walkBeneath(FdRef dir, std::string_view path, int flags, mode_t mode) {
  Fd at;
  for (;;) {
    const auto slash = path.find('/');
    const bool last = slash == path.npos;
    const std::string name(path.substr(0, slash));
    const int how = O_NOFOLLOW | O_CLOEXEC | (last ? flags : O_PATH | O_DIRECTORY);
    const int from = at.valid() ? at.get() : dir.get();
    Fd next =
        TRY(owned(retry([&] { return ::openat(from, name.c_str(), how, mode); }), "open " + name));
    if (last) {
      const bool link = (flags & O_PATH) != 0 && S_ISLNK(TRY(status(next)).st_mode);
      if (link) return fail(Error::fromErrno(ELOOP, "open " + name));
      return next;
    }
    at = std::move(next);
    path.remove_prefix(slash + 1);
  }
}

Result<Fd> beneath(FdRef dir, const std::string& path, int flags, mode_t mode) {
  auto opened = openat2(dir, path.c_str(), flags, mode, kBeneath);
  // Under systemd's RestrictSUIDSGID=, and so under DynamicUser=, there is no openat2: its filter
  // cannot see the flags.
  if (!opened && opened.error().number() == ENOSYS) return walkBeneath(dir, path, flags, mode);
  return opened;
}

std::string procPath(FdRef fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

}  // namespace

Result<Fd> openBeneath(FdRef dir, const Component& name, int flags, mode_t mode) {
  return beneath(dir, name.text(), flags, mode);
}
Result<Fd> openBeneath(FdRef dir, const BeneathPath& path, int flags, mode_t mode) {
  return beneath(dir, path.text(), flags, mode);
}

Result<Fd> openInRoot(FdRef root, const std::string& path, int flags, mode_t mode) {
  return openat2(root, path.c_str(), flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

Result<Fd> openPath(const std::string& path, int flags, mode_t mode) {
  return owned(retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }),
               "open " + path);
}

Result<Fd> openTemporary(FdRef dir, mode_t mode) {
  return owned(
      retry([&] { return ::openat(dir.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode); }),
      "create an unnamed file");
}

Result<bool> linkTemporary(FdRef file, FdRef dir, const Component& name) {
  // AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH; the way through /proc works for everyone (open(2),
  // O_TMPFILE).
  if (::linkat(AT_FDCWD, procPath(file).c_str(), dir.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    return true;
  }
  if (errno == EEXIST) return false;
  return failErrno("link " + name.text());
}

Result<void> makeDirectory(FdRef dir, const Component& name, mode_t mode) {
  return done(::mkdirat(dir.get(), name.c_str(), mode), "make directory " + name.text());
}

Result<Fd> ensureDirectory(FdRef dir, const Component& name, mode_t mode) {
  if (::mkdirat(dir.get(), name.c_str(), mode) != 0 && errno != EEXIST) {
    return failErrno("make directory " + name.text());
  }
  return openBeneath(dir, name, O_RDONLY | O_DIRECTORY);
}

Result<void> rename(FdRef fromDir, const Component& from, FdRef toDir, const Component& to,
                    unsigned flags) {
  return done(::renameat2(fromDir.get(), from.c_str(), toDir.get(), to.c_str(), flags),
              "rename " + from.text());
}

Result<void> unlink(FdRef dir, const Component& name) {
  return done(::unlinkat(dir.get(), name.c_str(), 0), "remove " + name.text());
}

namespace {

// A pod decides how many names a directory of its has: they are never all in memory.
constexpr std::size_t kRemoveBatch = 16 * 1024;

Result<std::vector<std::string>> someNames(FdRef dir, std::size_t most) {
  // A fresh description, so that the caller's read position does not matter.
  Fd again =
      TRY(owned(::openat(dir.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open directory"));
  DIR* stream = ::fdopendir(again.get());
  if (stream == nullptr) return failErrno("read directory");
  static_cast<void>(again.release());  // closedir closes it
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = names.size() < most ? ::readdir(stream) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int failure = errno;
  ::closedir(stream);
  if (failure != 0) return fail(Error::fromErrno(failure, "read directory"));
  return names;
}

// A file, or a directory that is empty; false: a directory with something in it.
Result<bool> removeSimple(FdRef dir, const std::string& name) {
  if (::unlinkat(dir.get(), name.c_str(), 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) return failErrno("remove " + name);
  if (::unlinkat(dir.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  if (errno != ENOTEMPTY && errno != EEXIST) return failErrno("remove directory " + name);
  return false;
}

// Empties `name` in `top`: the directories in it become directories of `top`, to be emptied later.
Result<void> flatten(FdRef top, const std::string& name, std::uint64_t& next) {
  const Fd dir = TRY(openat2(top, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                             kBeneath | RESOLVE_NO_XDEV));
  for (;;) {
    const std::vector<std::string> entries = TRY(someNames(dir, kRemoveBatch));
    if (entries.empty()) return {};
    for (const std::string& entry : entries) {
      if (TRY(removeSimple(dir, entry))) continue;
      int moved;
      do {
        moved = ::renameat2(dir.get(), entry.c_str(), top.get(), std::to_string(next++).c_str(),
                            RENAME_NOREPLACE);
      } while (moved != 0 && errno == EEXIST);
      if (moved != 0) return failErrno("move directory " + entry);
    }
  }
}

}  // namespace

Result<void> removeTree(FdRef dir, const Component& name) {
  if (::unlinkat(dir.get(), name.c_str(), 0) == 0) return {};
  if (errno != EISDIR && errno != EPERM) return failErrno("remove " + name.text());
  // Flattened as it goes, so that a tree of any depth costs neither stack nor descriptors, and one
  // of any width no more than one look at each name (test P16).
  const Fd top = TRY(openat2(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                             kBeneath | RESOLVE_NO_XDEV));
  std::uint64_t next = 0;
  for (;;) {
    const std::vector<std::string> entries = TRY(someNames(top, kRemoveBatch));
    if (entries.empty()) break;
    for (const std::string& entry : entries) {
      if (TRY(removeSimple(top, entry))) continue;
      TRY(flatten(top, entry, next));
      TRY(removeSimple(top, entry));
    }
  }
  if (::unlinkat(dir.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return failErrno("remove directory " + name.text());
  return {};
}

Result<struct stat> status(FdRef file) {
  struct stat result;
  if (::fstat(file.get(), &result) != 0) return failErrno("stat");
  return result;
}

Result<std::vector<std::string>> list(FdRef dir) {
  auto names = TRY(someNames(dir, std::numeric_limits<std::size_t>::max()));
  std::ranges::sort(names);
  return names;
}

Result<void> sync(FdRef file) { return done(::fsync(file.get()), "fsync"); }
Result<void> syncFileSystem(FdRef file) { return done(::syncfs(file.get()), "syncfs"); }

Result<Fd> reopen(FdRef file, int flags) { return openPath(procPath(file), flags); }
Result<Fd> duplicate(FdRef fd) {
  return owned(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3), "duplicate a descriptor");
}

Result<std::size_t> read(FdRef fd, std::span<std::uint8_t> buffer) {
  const ssize_t got = retry([&] { return ::read(fd.get(), buffer.data(), buffer.size()); });
  if (got < 0) return failErrno("read");
  return static_cast<std::size_t>(got);
}

Result<void> writeAll(FdRef fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = retry([&] { return ::write(fd.get(), bytes.data(), bytes.size()); });
    if (put < 0) return failErrno("write");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}
Result<void> writeAll(FdRef fd, std::string_view text) {
  return writeAll(fd, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

Result<void> writeAt(FdRef file, std::span<const std::uint8_t> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = retry([&] {
      return ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    });
    if (put < 0) return failErrno("pwrite");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}
Result<std::size_t> readAt(FdRef file, std::span<std::uint8_t> buffer, std::uint64_t offset) {
  std::size_t total = 0;
  while (total < buffer.size()) {
    const auto rest = buffer.subspan(total);
    const ssize_t got = retry([&] {
      return ::pread(file.get(), rest.data(), rest.size(), static_cast<off_t>(offset + total));
    });
    if (got < 0) return failErrno("pread");
    if (got == 0) break;
    total += static_cast<std::size_t>(got);
  }
  return total;
}

Result<std::string> readAll(FdRef fd, std::size_t limit) {
  const bool seekable = ::lseek(fd.get(), 0, SEEK_CUR) >= 0;
  std::string text;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = retry([&] {
      return seekable ? ::pread(fd.get(), buffer, sizeof buffer, static_cast<off_t>(text.size()))
                      : ::read(fd.get(), buffer, sizeof buffer);
    });
    if (got < 0) return failErrno("read");
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > limit) {
      return refuse(ErrorKind::Invalid, "E_LIMIT",
                    "more than the " + std::to_string(limit) + " bytes that are accepted here");
    }
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> readFile(FdRef dir, const Component& name, std::size_t limit) {
  Fd file = TRY(openBeneath(dir, name, O_RDONLY | O_NONBLOCK));
  if (!S_ISREG(TRY(status(file)).st_mode)) {
    return refuse(ErrorKind::Invalid, "E_TYPE", name.text() + " is not a regular file");
  }
  return inContext(readAll(file, limit), name.text());
}

Result<void> replaceFile(FdRef dir, const Component& name, std::string_view content, mode_t mode) {
  const Component temporary =
      TRY(Component::parse("." + name.text().substr(0, 200) + "." + std::to_string(::getpid())));
  static_cast<void>(::unlinkat(dir.get(), temporary.c_str(), 0));  // left by a crashed namesake
  auto write = [&]() -> Result<void> {
    Fd file = TRY(openBeneath(dir, temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
    TRY(done(::fchmod(file.get(), mode), "chmod"));  // whatever the umask was
    TRY(writeAll(file, content));
    TRY(sync(file));
    return rename(dir, temporary, dir, name);
  };
  auto written = write();
  if (!written) static_cast<void>(::unlinkat(dir.get(), temporary.c_str(), 0));
  return inContext(std::move(written), name.text());
}

Result<Pipe> pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return failErrno("pipe");
  return Pipe{Fd::own(fds[0]), Fd::own(fds[1])};
}

Result<SocketPair> socketPair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    return failErrno("socketpair");
  return SocketPair{Fd::own(fds[0]), Fd::own(fds[1])};
}

Result<Fd> fsopen(const char* type) {
  return owned(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), std::string("fsopen ") + type);
}
Result<void> fsconfigString(FdRef fs, const char* key, const std::string& value) {
  return done(::syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0),
              std::string("mount option ") + key);
}
Result<void> fsconfigFlag(FdRef fs, const char* key) {
  return done(::syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_FLAG, key, nullptr, 0),
              std::string("mount option ") + key);
}
Result<void> fsconfigFd(FdRef fs, const char* key, FdRef value) {
  return done(::syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_FD, key, nullptr, value.get()),
              std::string("mount option ") + key);
}
Result<void> fsconfigCreate(FdRef fs) {
  if (::syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) return {};
  const int number = errno;
  char message[256];  // "e erofs: …\n", one message a read (fsopen(2))
  const ssize_t got = ::read(fs.get(), message, sizeof message);
  std::string what = "mount";
  if (got > 2) what += ": " + std::string(message + 2, static_cast<std::size_t>(got - 2));
  while (what.ends_with('\n')) what.pop_back();
  return fail(Error::fromErrno(number, what));
}
Result<Fd> fsmount(FdRef fs, std::uint64_t attributes) {
  return owned(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)),
               "fsmount");
}
Result<Fd> openTree(FdRef dir, const char* path, unsigned flags) {
  return owned(::syscall(SYS_open_tree, dir.get(), path, flags | OPEN_TREE_CLOEXEC),
               std::string("open_tree ") + path);
}
Result<void> moveMount(FdRef mount, FdRef dir, const char* path) {
  return done(::syscall(SYS_move_mount, mount.get(), "", dir.get(), path, MOVE_MOUNT_F_EMPTY_PATH),
              std::string("mount on ") + path);
}
Result<void> moveMountOnto(FdRef mount, FdRef target) {
  return done(::syscall(SYS_move_mount, mount.get(), "", target.get(), "",
                        MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
              "attach a mount");
}
Result<void> mountSetattr(FdRef mount, unsigned flags, const mount_attr& attributes) {
  return done(::syscall(SYS_mount_setattr, mount.get(), "", flags | AT_EMPTY_PATH, &attributes,
                        sizeof attributes),
              "mount_setattr");
}
Result<void> unmount(const char* path, int flags) {
  return done(::syscall(SYS_umount2, path, flags), std::string("unmount ") + path);
}
Result<void> pivotRoot(const char* newRoot, const char* oldRoot) {
  return done(::syscall(SYS_pivot_root, newRoot, oldRoot), "pivot_root");
}

Result<Fd> pidfdOpen(pid_t pid) { return owned(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open"); }
Result<void> pidfdSignal(FdRef pidfd, int signal) {
  return done(::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0),
              "signal a process");
}
Result<pid_t> pidOf(FdRef pidfd) {
  // proc(5), /proc/pid/fdinfo: "Pid:\t1234", or -1 when it is gone.
  const Fd file = TRY(openPath("/proc/self/fdinfo/" + std::to_string(pidfd.get()), O_RDONLY));
  constexpr std::size_t most = 4096;
  const std::string info = TRY(readAll(file, most));
  constexpr std::string_view key = "\nPid:\t";
  const std::size_t at = info.find(key);
  pid_t pid = 0;
  if (at != info.npos)
    std::from_chars(info.data() + at + key.size(), info.data() + info.size(), pid);
  if (pid > 0) return pid;
  return fail(ErrorKind::Missing, "the process has ended");
}
Result<bool> pidfdWait(FdRef pidfd, int milliseconds) {
  const std::int64_t deadline = now() + milliseconds;
  for (;;) {
    pollfd event{pidfd.get(), POLLIN, 0};
    const int left =
        milliseconds < 0 ? -1 : static_cast<int>(std::max<std::int64_t>(0, deadline - now()));
    const int ready = ::poll(&event, 1, left);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return failErrno("poll");
  }
}

std::int64_t wallClock() {
  timespec time;
  ::clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::int64_t now() {
  timespec time;
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

}  // namespace airlock::sys
