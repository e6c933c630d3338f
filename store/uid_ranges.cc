// SPDX-License-Identifier: Apache-2.0
#include "store/uid_ranges.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

Result<Fd> openRanges(FdRef top) { return sys::ensureDirectory(top, name("uid-ranges"), 0700); }

Component slotName(unsigned slot) { return name(std::to_string(slot)); }

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
    TRY(sys::writeAll(*file, pod.text()));
    return UidRange{limits::kFirstPodUid + slot * limits::kPodUids};
  }
  return refuse(ErrorKind::Busy, "E_UIDS", "every uid range is taken by a pod",
                "Remove pods that have ended: airlock gc --grace-period=0s");
}

Result<void> releaseUidRange(FdRef top, UidRange range) {
  Fd ranges = TRY(openRanges(top));
  auto removed =
      sys::unlink(ranges, slotName((range.first - limits::kFirstPodUid) / limits::kPodUids));
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

}  // namespace airlock::store
