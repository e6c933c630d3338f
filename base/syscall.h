// SPDX-License-Identifier: Apache-2.0
// Thin, Result-returning system calls: EINTR-safe, close-on-exec always.  Anyone may use it.
#pragma once

#include <linux/openat2.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/path.h"
#include "base/result.h"

struct mount_attr;

namespace airlock::sys {

// --- files: (directory descriptor, name), never following a link out of the directory
// ------------------------- RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS.
inline constexpr std::uint64_t kBeneath =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

Result<Fd> openBeneath(FdRef dir, const Component& name, int flags, mode_t mode = 0);
Result<Fd> openBeneath(FdRef dir, const BeneathPath& path, int flags, mode_t mode = 0);
// RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: `root` is "/" for every link and ".." on the way, so a
// hostile tree cannot lead out of itself; for the trees of images.  An absolute `path` starts at
// `root` too.
Result<Fd> openInRoot(FdRef root, const std::string& path, int flags, mode_t mode = 0);
// A constant path of ours (store/layout.h and the like), or a path that an unprivileged program got
// from its own user.
Result<Fd> openPath(const std::string& path, int flags, mode_t mode = 0);
Result<Fd> openTemporary(FdRef dir,
                         mode_t mode);  // O_TMPFILE | O_RDWR: has no name until linkTemporary
// Gives an unnamed file its name; false when the name is taken.
Result<bool> linkTemporary(FdRef file, FdRef dir, const Component& name);
Result<void> makeDirectory(FdRef dir, const Component& name, mode_t mode);  // EEXIST is an error
Result<Fd> ensureDirectory(FdRef dir, const Component& name,
                           mode_t mode);  // makes it if missing, opens it
Result<void> rename(FdRef fromDir, const Component& from, FdRef toDir, const Component& to,
                    unsigned flags = 0);
Result<void> unlink(FdRef dir, const Component& name);  // a missing file is an error (ENOENT)
Result<void> removeTree(FdRef dir,
                        const Component& name);  // recursive, by descriptors, crosses no mount
Result<struct stat> status(FdRef file);
Result<std::vector<std::string>> list(FdRef dir);  // names, sorted, without "." and ".."
Result<void> sync(FdRef file);                     // fsync
Result<void> syncFileSystem(FdRef file);           // syncfs
// The file descriptor is reopened with other flags through /proc/self/fd.
Result<Fd> reopen(FdRef file, int flags);
Result<Fd> duplicate(FdRef fd);

Result<std::size_t> read(FdRef fd, std::span<std::uint8_t> buffer);  // 0 at the end
Result<void> writeAll(FdRef fd, std::span<const std::uint8_t> bytes);
Result<void> writeAll(FdRef fd, std::string_view text);
// At an offset of a regular file; the file offset does not move.  readAt is short only at the end
// of the file.
Result<void> writeAt(FdRef file, std::span<const std::uint8_t> bytes, std::uint64_t offset);
Result<std::size_t> readAt(FdRef file, std::span<std::uint8_t> buffer, std::uint64_t offset);
// Everything up to `limit` bytes; more is an error.  From offset 0 for a regular file (pread), else
// until the end.
Result<std::string> readAll(FdRef fd, std::size_t limit);
Result<std::string> readFile(FdRef dir, const Component& name, std::size_t limit);
// Writes under a temporary name in the same directory, fsyncs and renames over `name`.
Result<void> replaceFile(FdRef dir, const Component& name, std::string_view content, mode_t mode);

struct Pipe {
  Fd readEnd;
  Fd writeEnd;
};
Result<Pipe> pipe();
struct SocketPair {
  Fd first;
  Fd second;
};
Result<SocketPair> socketPair();  // AF_UNIX, SOCK_SEQPACKET

// --- mounts
// -----------------------------------------------------------------------------------------------------
Result<Fd> fsopen(const char* type);
Result<void> fsconfigString(FdRef fs, const char* key, const std::string& value);
Result<void> fsconfigFlag(FdRef fs, const char* key);
Result<void> fsconfigFd(FdRef fs, const char* key, FdRef value);
Result<void> fsconfigCreate(FdRef fs);  // on failure the file system's own message is in the error
Result<Fd> fsmount(FdRef fs, std::uint64_t attributes);  // MOUNT_ATTR_*; a detached mount
Result<Fd> openTree(FdRef dir, const char* path, unsigned flags);
Result<void> moveMount(FdRef mount, FdRef dir, const char* path);  // attaches a detached mount
Result<void> moveMountOnto(FdRef mount, FdRef target);  // the same, on what `target` refers to
Result<void> mountSetattr(FdRef mount, unsigned flags, const mount_attr& attributes);
Result<void> unmount(const char* path, int flags);
Result<void> pivotRoot(const char* newRoot, const char* oldRoot);

// --- processes
// --------------------------------------------------------------------------------------------------
Result<Fd> pidfdOpen(pid_t pid);
Result<pid_t> pidOf(FdRef pidfd);  // in our pid namespace; Missing: it has been reaped
Result<void> pidfdSignal(FdRef pidfd, int signal);
// Waits for the process to end, at most `milliseconds` (-1: for ever); false when the time is over.
Result<bool> pidfdWait(FdRef pidfd, int milliseconds);

// Nanoseconds since 1970.
std::int64_t wallClock();
// Milliseconds of CLOCK_BOOTTIME.
std::int64_t now();

}  // namespace airlock::sys
