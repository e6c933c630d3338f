// SPDX-License-Identifier: Apache-2.0
#include "store/uid_ranges.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

// Locked: who gives back a range must not meet who has just taken it again.  Nobody but the owner
// of the store can open the directory, so nobody else can hold the lock.
Result<Fd> openRanges(FdRef top) {
  Fd ranges = TRY(sys::ensureDirectory(top, name("uid-ranges"), 0700));
  while (::flock(ranges.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failErrno("lock the uid ranges");
  }
  return ranges;
}

Component slotName(unsigned slot) { return name(std::to_string(slot)); }

constexpr std::size_t kOwnerBytes = 64;

}  // namespace

Result<UidRange> takeUidRange(FdRef top, const PodId& pod) {
  Fd ranges = TRY(openRanges(top));
  // Start somewhere that differs from pod to pod, so that a thousand living pods do not cost a
  // thousand tries.
  const unsigned start =
      (static_cast<unsigned>(pod.bytes()[0]) << 8 | pod.bytes()[1]) % limits::kPodUidSlots;
  for (unsigned i = 0; i < limits::kPodUidSlots; ++i) {
    const unsigned slot = (start + i) % limits::kPodUidSlots;
    auto file = sys::openBeneath(ranges, slotName(slot), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!file && file.error().number() == EEXIST) continue;
    if (!file) return std::unexpected(std::move(file.error()));
    if (auto written = sys::writeAll(*file, pod.text()); !written) {
      // A full disk must not cost a range.
      static_cast<void>(sys::unlink(ranges, slotName(slot)));
      return std::unexpected(std::move(written.error()));
    }
    return UidRange{limits::kFirstPodUid + slot * limits::kPodUids};
  }
  return refuse(ErrorKind::Busy, "E_UIDS", "every uid range is taken by a pod",
                "Remove pods that have ended: airlock gc --grace-period=0s");
}

Result<void> releaseUidRange(FdRef top, const PodId& pod, UidRange range) {
  Fd ranges = TRY(openRanges(top));
  const Component slot = slotName((range.first - limits::kFirstPodUid) / limits::kPodUids);
  const auto owner = sys::readFile(ranges, slot, kOwnerBytes);
  if (!owner && owner.error().kind() == ErrorKind::Missing) return {};
  if (!owner) return std::unexpected(owner.error());
  // Given back already, and another pod's by now.
  if (*owner != pod.text()) return {};
  return sys::unlink(ranges, slot);
}

Result<void> reconcileUidRanges(FdRef top, const PodDirectory& pods) {
  Fd ranges = TRY(openRanges(top));
  const std::vector<std::string> slots = TRY(sys::list(ranges));
  // After the ranges, and with the lock held: a range is taken when its pod's directory is there
  // already, so a pod that is not seen now is gone.
  const std::vector<PodId> all = TRY(pods.ids());
  for (const std::string& entry : slots) {
    const Component slot = TRY(Component::parse(entry));
    // One that names nobody was being taken when the power failed.
    const auto owner = PodId::parse(TRY(sys::readFile(ranges, slot, kOwnerBytes)));
    if (!owner || std::ranges::find(all, *owner) == all.end()) TRY(sys::unlink(ranges, slot));
  }
  return {};
}

}  // namespace airlock::store
