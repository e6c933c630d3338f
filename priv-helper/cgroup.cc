// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::helper {

namespace {

// Where cgroup v2 is: the whole hierarchy, or the "unified" part of a hybrid one.
std::optional<Fd> openHierarchy() {
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    auto dir = sys::openPath(path, O_RDONLY | O_DIRECTORY);
    struct statfs info;
    if (dir && ::fstatfs(dir->get(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC)
      return *std::move(dir);
  }
  return std::nullopt;
}

// The caller's own cgroup, as the kernel tells: the line "0::/path" (cgroups(7)).
Result<std::string> callerPath(const ipc::Peer& caller) {
  const Fd file = TRY(sys::openPath("/proc/" + std::to_string(caller.pid) + "/cgroup", O_RDONLY));
  const std::string text = TRY(sys::readAll(file, limits::kTextBytes));
  // Alive after the reading: then the number was not another process's (I07).
  if (caller.pidfd) TRY(inContext(sys::pidfdSignal(*caller.pidfd, 0), "the caller has gone"));
  const auto line = text.find("0::/");
  if (line == text.npos || (line != 0 && text[line - 1] != '\n')) return std::string();
  const auto start = line + 4;
  return text.substr(start, text.find('\n', start) - start);
}

Result<Fd> openBelow(FdRef hierarchy, const std::string& path) {
  if (path.empty()) return sys::duplicate(hierarchy);
  return sys::openBeneath(hierarchy, TRY(BeneathPath::parse(path)), O_RDONLY | O_DIRECTORY);
}

Result<void> put(FdRef dir, const char* file, const std::string& value) {
  const Fd fd = TRY(sys::openBeneath(dir, store::name(file), O_WRONLY));
  return sys::writeAll(fd, value);
}

ipc::Layer limit(FdRef dir, const char* file, const std::string& value, const std::string& what) {
  const auto done = put(dir, file, value);
  return {.name = what,
          .enforced = done.has_value(),
          .detail = done ? "cgroup v2 " + std::string(file) + "=" + value
                         : "no " + std::string(file) + " here: " + done.error().message()};
}

}  // namespace

Result<std::optional<PodCgroup>> makeCgroup(const ipc::Peer& caller, FdRef podDir,
                                            const ipc::PodSpec& spec) {
  const auto hierarchy = openHierarchy();
  if (!hierarchy) return std::optional<PodCgroup>();
  const std::string parentPath = TRY(callerPath(caller));
  const Fd parent = TRY(openBelow(*hierarchy, parentPath));
  const Component own = store::name("airlock-" + spec.id.text());
  const std::string path = (parentPath.empty() ? "" : parentPath + "/") + own.text();
  // Noted before it is there: a start that dies without a record leaves nothing unknown.
  const Fd note = TRY(sys::openBeneath(podDir, store::name("cgroup"), O_WRONLY | O_CREAT, 0600));
  TRY(sys::writeAll(note, path));
  TRY(sys::makeDirectory(parent, own, 0755));
  PodCgroup group{.dir = TRY(sys::openBeneath(parent, own, O_RDONLY | O_DIRECTORY)),
                  .path = path,
                  .layers = {}};
  std::uint64_t memory = 0;
  std::uint64_t cpu = 0;
  bool everyMemory = true;
  bool everyCpu = true;
  for (const ipc::AppSpec& app : spec.apps) {
    memory += app.memoryBytes;
    cpu += app.cpuMillis;
    everyMemory = everyMemory && app.memoryBytes != 0;
    everyCpu = everyCpu && app.cpuMillis != 0;
  }
  // A controller may be off here; asking for it is right where that is allowed, and is told.
  if (memory != 0 || cpu != 0)
    static_cast<void>(put(parent, "cgroup.subtree_control", "+memory +cpu +pids"));
  if (memory != 0 && everyMemory)
    group.layers.push_back(limit(group.dir, "memory.max", std::to_string(memory), "memory"));
  if (cpu != 0 && everyCpu) {
    // Millicores of a 100 ms period, in microseconds (cgroup-v2.rst, cpu.max).
    group.layers.push_back(
        limit(group.dir, "cpu.max", std::to_string(cpu * 100) + " 100000", "cpu"));
  }
  return std::optional(std::move(group));
}

Result<std::optional<Fd>> openCgroup(const std::string& path) {
  const auto hierarchy = openHierarchy();
  if (!hierarchy || path.empty()) return std::optional<Fd>();
  return std::optional(TRY(openBelow(*hierarchy, path)));
}

Result<void> removeCgroup(const std::string& path) {
  const auto hierarchy = openHierarchy();
  if (!hierarchy || path.empty()) return {};
  auto group = openBelow(*hierarchy, path);
  if (!group) return {};
  static_cast<void>(put(*group, "cgroup.kill", "1"));
  const auto slash = path.rfind('/');
  const Fd parent = TRY(openBelow(*hierarchy, slash == path.npos ? "" : path.substr(0, slash)));
  const Component own = TRY(Component::parse(slash == path.npos ? path : path.substr(slash + 1)));
  for (int tries = 0; tries < 100; ++tries) {
    if (::unlinkat(parent.get(), own.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno != EBUSY) return failErrno("remove the pod's cgroup");
    ::usleep(5'000);  // the killed processes are still on their way out
  }
  return fail(ErrorKind::Busy, "the pod's cgroup does not empty");
}

}  // namespace airlock::helper
