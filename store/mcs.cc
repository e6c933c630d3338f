// SPDX-License-Identifier: Apache-2.0
#include "store/mcs.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/syscall.h"
#include "sandbox/exec_label.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

constexpr std::size_t kOwnerBytes = 64;
constexpr int kRandomTries = 64;

// Locked, as the uid ranges are: who gives back a pair must not meet who has just taken it again.
Result<Fd> openRegistry(FdRef top) {
  Fd registry = TRY(sys::ensureDirectory(top, name("mcs"), 0700));
  while (::flock(registry.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failErrno("lock the SELinux categories");
  }
  return registry;
}

// Made by the first pod that has a pair: not on hosts without SELinux.
Result<bool> hasRegistry(FdRef top) {
  const auto there = sys::openBeneath(top, name("mcs"), O_PATH | O_DIRECTORY);
  if (there) return true;
  if (there.error().kind() == ErrorKind::Missing) return false;
  return std::unexpected(there.error());
}

// "c12" at the beginning of `text`, which it takes away.
std::optional<unsigned> takeCategory(std::string_view& text) {
  if (!text.starts_with('c')) return std::nullopt;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (error != std::errc() || number >= kCategories) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

// Uniform: numbers from the incomplete last multiple of `count` are drawn again.
Result<unsigned> randomBelow(unsigned count) {
  const std::uint32_t rest = (UINT32_MAX % count + 1) % count;
  for (;;) {
    std::uint32_t drawn = 0;
    if (::getrandom(&drawn, sizeof drawn, 0) != static_cast<ssize_t>(sizeof drawn)) {
      if (errno == EINTR) continue;
      return failErrno("getrandom");
    }
    if (drawn <= UINT32_MAX - rest) return drawn % count;
  }
}

Result<CategoryPair> choose(CategoryRange range, const std::set<CategoryPair>& taken) {
  const unsigned count = range.last - range.first + 1;
  for (int i = 0; i < kRandomTries; ++i) {
    const unsigned one = range.first + TRY(randomBelow(count));
    const unsigned other = range.first + TRY(randomBelow(count));
    const auto pair = CategoryPair::of(one, other);
    if (pair && !taken.contains(*pair)) return *pair;
  }
  // Nearly full, so the free ones are counted out.
  std::vector<CategoryPair> free;
  for (unsigned low = range.first; low <= range.last; ++low) {
    for (unsigned high = low + 1; high <= range.last; ++high) {
      const auto pair = CategoryPair::of(low, high);
      if (pair && !taken.contains(*pair)) free.push_back(*pair);
    }
  }
  if (!free.empty()) return free[TRY(randomBelow(static_cast<unsigned>(free.size())))];
  return refuse(ErrorKind::Busy, "E_MCS_FULL", "every pair of SELinux categories is taken by a pod",
                "Remove pods that have ended (airlock gc --grace-period=0s), or widen range= in "
                "the policy's selinux line");
}

}  // namespace

std::optional<CategoryPair> CategoryPair::of(unsigned one, unsigned other) {
  if (one == other || one >= kCategories || other >= kCategories) return std::nullopt;
  return CategoryPair(std::min(one, other), std::max(one, other));
}

std::optional<CategoryPair> CategoryPair::ofLevel(std::string_view level) {
  const auto colon = level.find(':');
  if (colon == level.npos) return std::nullopt;
  level.remove_prefix(colon + 1);
  const auto one = takeCategory(level);
  // "c1.c2" is a range of two, and the same.
  if (!one || !(level.starts_with(',') || level.starts_with('.'))) return std::nullopt;
  const bool isRange = level.starts_with('.');
  level.remove_prefix(1);
  const auto other = takeCategory(level);
  if (!other || !level.empty() || (isRange && *other != *one + 1)) return std::nullopt;
  return of(*one, *other);
}

std::string CategoryPair::text() const {
  return "c" + std::to_string(low_) + ",c" + std::to_string(high_);
}

std::string CategoryPair::level() const { return "s0:" + text(); }

std::optional<CategoryRange> CategoryRange::parse(std::string_view text) {
  const auto first = takeCategory(text);
  if (!first || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  const auto last = takeCategory(text);
  if (!last || !text.empty() || *last <= *first) return std::nullopt;
  return CategoryRange{*first, *last};
}

Result<CategoryPair> takeCategories(FdRef top, const PodId& pod, CategoryRange range,
                                    const std::set<CategoryPair>& avoid) {
  Fd registry = TRY(openRegistry(top));
  std::set<CategoryPair> taken = avoid;
  for (const std::string& entry : TRY(sys::list(registry))) {
    if (const auto pair = CategoryPair::ofLevel("s0:" + entry)) taken.insert(*pair);
  }
  const CategoryPair pair = TRY(choose(range, taken));
  const Component slot = name(pair.text());
  Fd file = TRY(sys::openBeneath(registry, slot, O_WRONLY | O_CREAT | O_EXCL, 0600));
  if (auto written = sys::writeAll(file, pod.text()); !written) {
    // A full disk must not cost a pair.
    static_cast<void>(sys::unlink(registry, slot));
    return std::unexpected(std::move(written.error()));
  }
  return pair;
}

Result<void> releaseCategories(FdRef top, const PodId& pod, CategoryPair pair) {
  Fd registry = TRY(openRegistry(top));
  const Component slot = name(pair.text());
  const auto owner = sys::readFile(registry, slot, kOwnerBytes);
  if (!owner && owner.error().kind() == ErrorKind::Missing) return {};
  if (!owner) return std::unexpected(owner.error());
  // Given back already, and another pod's by now.
  if (*owner != pod.text()) return {};
  return sys::unlink(registry, slot);
}

Result<void> reconcileCategories(FdRef top, const PodDirectory& pods) {
  if (!TRY(hasRegistry(top))) return {};
  Fd registry = TRY(openRegistry(top));
  const std::vector<std::string> entries = TRY(sys::list(registry));
  // After the registry, and with the lock held: see reconcileUidRanges.
  const std::vector<PodId> all = TRY(pods.ids());
  for (const std::string& entry : entries) {
    const Component slot = TRY(Component::parse(entry));
    // One that names nobody was being taken when the power failed.
    const auto owner = PodId::parse(TRY(sys::readFile(registry, slot, kOwnerBytes)));
    if (!owner || std::ranges::find(all, *owner) == all.end()) TRY(sys::unlink(registry, slot));
  }
  return {};
}

std::set<CategoryPair> categoriesOfProcesses(FdRef proc) {
  std::set<CategoryPair> pairs;
  const auto entries = sys::list(proc);
  if (!entries) return pairs;
  for (const std::string& entry : *entries) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), pid);
    if (error != std::errc() || end != entry.data() + entry.size()) continue;
    const auto label = sandbox::labelOf(proc, pid);  // it may have ended
    if (!label) continue;
    // user:role:type:low[-high]; a level has colons of its own.
    std::size_t begin = 0;
    for (int i = 0; i < 3 && begin != label->npos; ++i) {
      begin = label->find(':', begin);
      if (begin != label->npos) ++begin;
    }
    if (begin == label->npos) continue;
    const std::string_view range = std::string_view(*label).substr(begin);
    const auto dash = range.find('-');
    if (const auto low = CategoryPair::ofLevel(range.substr(0, dash))) pairs.insert(*low);
    if (dash == range.npos) continue;
    if (const auto high = CategoryPair::ofLevel(range.substr(dash + 1))) pairs.insert(*high);
  }
  return pairs;
}

}  // namespace airlock::store
