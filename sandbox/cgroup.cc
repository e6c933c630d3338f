// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::sandbox {

namespace {

constexpr int kEmptyMilliseconds = 5'000;  // killed processes are on their way out that long
constexpr int kMostLevels = 8;             // we make two below a pod's own

constexpr const char* kControllers[] = {"cpu", "memory", "pids"};

CgroupLimit limit(FdRef dir, const char* name, const char* file, const std::string& value) {
  const auto done = writeCgroup(dir, file, value);
  return {.name = name,
          .enforced = done.has_value(),
          .detail = done ? std::string(file) + "=" + value
                         : "no " + std::string(file) + " here: " + done.error().message()};
}

bool hasWord(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const std::string_view each = words.substr(0, words.find_first_of(" \n"));
    if (each == word) return true;
    words.remove_prefix(std::min(words.size(), each.size() + 1));
  }
  return false;
}

Result<Component> component(const char* constant) { return Component::parse(constant); }

// Waits until no living process is in the group or below it.
Result<void> waitUntilEmpty(FdRef dir) {
  const Fd events = TRY(sys::openBeneath(dir, TRY(component("cgroup.events")), O_RDONLY));
  const std::int64_t end = sys::now() + kEmptyMilliseconds;
  for (;;) {
    const std::string text = TRY(sys::readAll(events, limits::kTextBytes));
    if (cgroupNumber(text, "populated") == 0) return {};
    const std::int64_t left = end - sys::now();
    if (left <= 0) return fail(ErrorKind::Busy, "a cgroup does not empty");
    // The kernel wakes us when the file changes; it says so as an exceptional condition.
    pollfd changed{events.get(), POLLPRI, 0};
    static_cast<void>(::poll(&changed, 1, static_cast<int>(left)));
  }
}

Result<void> removeBelow(FdRef parent, const Component& name, int levels) {
  auto dir = sys::openBeneath(parent, name, O_RDONLY | O_DIRECTORY);
  if (!dir && dir.error().kind() == ErrorKind::Missing) return {};
  if (!dir) return std::unexpected(std::move(dir.error()));
  if (levels == 0) return fail(ErrorKind::Failed, "cgroups are nested too deep");
  for (const std::string& entry : TRY(sys::list(*dir))) {
    // Everything but groups is the kernel's own file.
    const Component below = TRY(Component::parse(entry));
    struct stat info;
    if (::fstatat(dir->get(), below.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(info.st_mode))
      TRY(removeBelow(*dir, below, levels - 1));
  }
  if (::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return failErrno("remove a cgroup");
}

}  // namespace

std::optional<Fd> openCgroupHierarchy() {
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    auto dir = sys::openPath(path, O_RDONLY | O_DIRECTORY);
    struct statfs info;
    if (dir && ::fstatfs(dir->get(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC)
      return *std::move(dir);
  }
  return std::nullopt;
}

Result<std::string> cgroupOf(pid_t pid) {
  const Fd file = TRY(sys::openPath("/proc/" + std::to_string(pid) + "/cgroup", O_RDONLY));
  const std::string text = TRY(sys::readAll(file, limits::kTextBytes));
  // The line "0::/path" (cgroups(7)).
  const auto line = text.find("0::/");
  if (line == text.npos || (line != 0 && text[line - 1] != '\n')) return std::string();
  const auto start = line + 4;
  return text.substr(start, text.find('\n', start) - start);
}

Result<Fd> openCgroup(FdRef hierarchy, const std::string& path) {
  if (path.empty()) return sys::duplicate(hierarchy);
  return sys::openBeneath(hierarchy, TRY(BeneathPath::parse(path)), O_RDONLY | O_DIRECTORY);
}

std::string cgroupPath(const std::string& parent, const Component& name) {
  return (parent.empty() ? "" : parent + "/") + name.text();
}

Result<Fd> makeCgroup(FdRef parent, const Component& name) {
  TRY(sys::makeDirectory(parent, name, 0755));
  Fd dir = TRY(sys::openBeneath(parent, name, O_RDONLY | O_DIRECTORY));
  // Whatever the umask: what it counts is read by the pod's PID 1, and by everyone.
  if (::fchmod(dir.get(), 0755) != 0) return failErrno("chmod a cgroup");
  return dir;
}

Result<void> writeCgroup(FdRef dir, const char* file, const std::string& value) {
  const Fd fd = TRY(sys::openBeneath(dir, TRY(component(file)), O_WRONLY));
  return sys::writeAll(fd, value);
}

Result<std::string> readCgroup(FdRef dir, const char* file) {
  const Fd fd = TRY(sys::openBeneath(dir, TRY(component(file)), O_RDONLY));
  return sys::readAll(fd, limits::kTextBytes);
}

std::optional<std::uint64_t> cgroupNumber(std::string_view content, std::string_view key) {
  while (!content.empty()) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(content.size(), line.size() + 1));
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ') continue;
    std::uint64_t number = 0;
    const char* const end = line.data() + line.size();
    const auto parsed = std::from_chars(line.data() + key.size() + 1, end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  }
  return std::nullopt;
}

std::vector<CgroupLimit> limitCgroup(FdRef dir, const CgroupLimits& limits) {
  std::vector<CgroupLimit> done;
  if (limits.memoryBytes != 0) {
    done.push_back(limit(dir, "memory", "memory.max", std::to_string(limits.memoryBytes)));
    // All of an app or nothing of it, and no way out into swap.  Not there on kernels without swap.
    static_cast<void>(writeCgroup(dir, "memory.swap.max", "0"));
    static_cast<void>(writeCgroup(dir, "memory.oom.group", "1"));
  }
  if (limits.cpuMillis != 0) {
    // Of a period of 100 ms, in microseconds; the kernel takes no less than 1 ms (cpu.max).
    const std::uint64_t quota =
        std::max<std::uint64_t>(std::uint64_t{limits.cpuMillis} * 100, 1000);
    done.push_back(limit(dir, "cpu", "cpu.max", std::to_string(quota) + " 100000"));
  }
  if (limits.cpuShares != 0) {
    // 2 to 262144 onto 1 to 10000, as systemd and runc do it.
    const std::uint64_t shares = std::clamp<std::uint64_t>(limits.cpuShares, 2, 262144);
    const std::uint64_t weight = 1 + (shares - 2) * 9999 / 262142;
    done.push_back(limit(dir, "cpu", "cpu.weight", std::to_string(weight)));
  }
  if (limits.pidsMax != 0)
    done.push_back(limit(dir, "pids", "pids.max", std::to_string(limits.pidsMax)));
  return done;
}

Result<std::string> usefulControllers(FdRef dir) {
  const std::string offered = TRY(readCgroup(dir, "cgroup.controllers"));
  std::string useful;
  for (const char* controller : kControllers) {
    if (hasWord(offered, controller))
      useful += (useful.empty() ? "" : " ") + std::string(controller);
  }
  return useful;
}

Result<void> handOnControllers(FdRef dir) {
  const std::string useful = TRY(usefulControllers(dir));
  const std::string handedOn = TRY(readCgroup(dir, "cgroup.subtree_control"));
  // One by one: a single one that the kernel refuses would take the others with it.  Memory first:
  // where the group has processes it is refused, and the others would not be; they would make the
  // group a root of threads, and no process could enter a group below it (EOPNOTSUPP).
  Result<void> result;
  for (const char* controller : {"memory", "cpu", "pids"}) {
    if (!hasWord(useful, controller) || hasWord(handedOn, controller)) continue;
    auto done = writeCgroup(dir, "cgroup.subtree_control", "+" + std::string(controller));
    if (!done && done.error().number() == EBUSY) return done;
    if (!done) result = std::move(done);
  }
  return result;
}

Result<std::optional<Fd>> findCgroup(const std::string& path) {
  const auto hierarchy = openCgroupHierarchy();
  if (!hierarchy || path.empty()) return std::optional<Fd>();
  auto group = openCgroup(*hierarchy, path);
  if (!group && group.error().kind() == ErrorKind::Missing) return std::optional<Fd>();
  if (!group) return std::unexpected(std::move(group.error()));
  return std::optional(*std::move(group));
}

Result<void> killCgroup(const std::string& path) {
  const auto group = TRY(findCgroup(path));
  if (!group) return fail(ErrorKind::Missing, "there is no cgroup");
  return writeCgroup(*group, "cgroup.kill", "1");
}

Result<void> removeCgroup(const std::string& path) {
  const auto hierarchy = openCgroupHierarchy();
  const auto group = TRY(findCgroup(path));
  if (!hierarchy || !group) return {};
  static_cast<void>(writeCgroup(*group, "cgroup.kill", "1"));
  TRY(waitUntilEmpty(*group));
  const auto slash = path.rfind('/');
  const std::string above = slash == path.npos ? "" : path.substr(0, slash);
  const Component own = TRY(Component::parse(path.substr(slash + 1)));  // npos + 1 is 0
  return removeBelow(TRY(openCgroup(*hierarchy, above)), own, kMostLevels);
}

}  // namespace airlock::sandbox
