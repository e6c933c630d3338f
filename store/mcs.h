// SPDX-License-Identifier: Apache-2.0
// Which two SELinux categories tell a pod from all others (SVirt): taken before it starts and given
// back when its files are gone, because these keep the label.  The helper takes and returns them.
#pragma once

#include <compare>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "store/pod_dir.h"

namespace airlock::store {

// Two categories that differ, the lower first.  Never one and never none: the policy lets a process
// use whatever has fewer categories than it has itself.
class CategoryPair {
 public:
  // nullopt when they are the same, or not below kCategories.
  static std::optional<CategoryPair> of(unsigned one, unsigned other);
  // The pair of a level such as "s0:c1,c2", in either order; nullopt when it has fewer or more
  // categories.
  static std::optional<CategoryPair> ofLevel(std::string_view level);
  std::string text() const;   // "c1,c2"
  std::string level() const;  // "s0:c1,c2"
  auto operator<=>(const CategoryPair&) const = default;

 private:
  CategoryPair(unsigned low, unsigned high) : low_(low), high_(high) {}
  unsigned low_;
  unsigned high_;
};

inline constexpr unsigned kCategories = 1024;
// Which categories pods may have, both ends included.
struct CategoryRange {
  unsigned first = 0;
  unsigned last = kCategories - 1;
  // "c0.c1023"; nullopt when it is something else, or has fewer than two categories.
  static std::optional<CategoryRange> parse(std::string_view text);
};

// Takes a pair that no pod has, living or on disk, and that is not in `avoid`: any free one is as
// likely as any other.  The pod's directory must exist already.  E_MCS_FULL when there is none.
Result<CategoryPair> takeCategories(FdRef top, const PodId& pod, CategoryRange range,
                                    const std::set<CategoryPair>& avoid);
// Nothing happens when the pair is not this pod's, or not any more.
Result<void> releaseCategories(FdRef top, const PodId& pod, CategoryPair pair);
// Gives back what belongs to pods that no longer exist.
Result<void> reconcileCategories(FdRef top, const PodDirectory& pods);

// The pairs of all processes in this procfs: virtual machines and containers that are not ours.
std::set<CategoryPair> categoriesOfProcesses(FdRef proc);

}  // namespace airlock::store
