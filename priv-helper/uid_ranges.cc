// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/uid_ranges.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/limits.h"
#include "base/process.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::helper {

namespace {

Result<Fd> openRanges(FdRef top) { return sys::ensureDirectory(top, store::name("uid-ranges"), 0700); }

Component slotName(unsigned slot) { return store::name(std::to_string(slot)); }

Result<void> writeMap(pid_t pid, const char* kind, const std::string& map) {
  Fd file = TRY(sys::openPath("/proc/" + std::to_string(pid) + "/" + kind, O_WRONLY));
  return sys::writeAll(file, map);
}

}  // namespace

Result<UidRange> takeUidRange(FdRef top, const PodId& pod) {
  Fd ranges = TRY(openRanges(top));
  // Start somewhere that differs from pod to pod, so that a thousand living pods do not cost a thousand tries.
  const unsigned start = (static_cast<unsigned>(pod.bytes()[0]) << 8 | pod.bytes()[1]) % limits::kPodUidSlots;
  for (unsigned i = 0; i < limits::kPodUidSlots; ++i) {
    const unsigned slot = (start + i) % limits::kPodUidSlots;
    auto file = sys::openBeneath(ranges, slotName(slot), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!file && file.error().number() == EEXIST) continue;
    if (!file) return std::unexpected(std::move(file.error()));
    TRY(sys::writeAll(*file, pod.text()));
    return UidRange{limits::kFirstPodUid + slot * limits::kPodUids};
  }
  return refuse(ErrorKind::Busy, "E_UIDS", "every uid range is taken by a pod",
                "Remove pods that have ended: airlock gc --grace-period=0s");
}

Result<void> releaseUidRange(FdRef top, UidRange range) {
  Fd ranges = TRY(openRanges(top));
  auto removed = sys::unlink(ranges, slotName((range.first - limits::kFirstPodUid) / limits::kPodUids));
  if (!removed && removed.error().kind() == ErrorKind::Missing) return {};
  return removed;
}

Result<void> reconcileUidRanges(FdRef top, const std::vector<PodId>& pods) {
  Fd ranges = TRY(openRanges(top));
  for (const std::string& entry : TRY(sys::list(ranges))) {
    const Component slot = TRY(Component::parse(entry));
    const auto owner = PodId::parse(TRY(sys::readFile(ranges, slot, 64)));
    // A slot is taken after its pod's directory was made: without a directory, its pod is gone.
    if (owner && std::ranges::find(pods, *owner) == pods.end()) TRY(sys::unlink(ranges, slot));
  }
  return {};
}

Result<Fd> mappingNamespace(uid_t inside, uid_t outside, unsigned count) {
  clone_args arguments{};
  int pidfd = -1;
  arguments.flags = CLONE_NEWUSER | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failErrno("clone a user namespace");
  if (pid == 0) {
    for (;;) ::pause();  // it only holds the namespace until we have it; its owner kills it below
  }
  const Child holder(static_cast<pid_t>(pid), Fd::own(pidfd));
  const std::string map =
      std::to_string(inside) + " " + std::to_string(outside) + " " + std::to_string(count) + "\n";
  TRY(writeMap(holder.pid(), "uid_map", map));
  TRY(writeMap(holder.pid(), "gid_map", map));
  return sys::openPath("/proc/" + std::to_string(holder.pid()) + "/ns/user", O_RDONLY);
}

}  // namespace airlock::helper
