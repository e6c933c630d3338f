// SPDX-License-Identifier: Apache-2.0
#include "sandbox/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/syscall.h"

namespace airlock::sandbox {
namespace {

// The kernel's structures and numbers as of ABI 6, written out: the headers of a build host may be
// older than the kernel of the host that runs this.  landlock(7), include/uapi/linux/landlock.h
struct RulesetAttributes {
  std::uint64_t handledFiles;
  std::uint64_t handledNetwork;
  std::uint64_t scoped;
};
struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed;
  std::int32_t parent;
};

constexpr unsigned kVersionQuery = 1;
constexpr int kRulePathBeneath = 1;
constexpr std::uint64_t kBindTcp = 1U << 0;
constexpr std::uint64_t kConnectTcp = 1U << 1;
constexpr std::uint64_t kScopeAbstractSockets = 1U << 0;
constexpr std::uint64_t kScopeSignals = 1U << 1;
constexpr int kAbiTruncate = 3;
constexpr int kAbiNetwork = 4;
constexpr int kAbiDevices = 5;
constexpr int kAbiScopes = 6;

// Every right of ABI 1: the 13 bits below kRefer.
constexpr Access kAbiOne = kRefer - 1;

// What may be granted on something that is not a directory.
constexpr Access kFileAccess = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDevice;

Access handledAt(int abi) {
  Access handled = kAbiOne;
  if (abi >= 2) handled |= kRefer;
  if (abi >= kAbiTruncate) handled |= kTruncate;
  if (abi >= kAbiDevices) handled |= kIoctlDevice;
  return handled;
}

// A newer structure than the kernel knows is refused, so its size follows the ABI.
std::size_t attributeSize(int abi) {
  if (abi >= kAbiScopes) return sizeof(RulesetAttributes);
  if (abi >= kAbiNetwork) return 2 * sizeof(std::uint64_t);
  return sizeof(std::uint64_t);
}

Result<void> addRule(FdRef ruleset, const PathAccess& path, Access handled) {
  Fd opened;
  int descriptor = path.descriptor;
  if (descriptor < 0) {
    opened = Fd::own(::open(path.path.c_str(), O_PATH | O_CLOEXEC));
    if (!opened.valid()) {
      if (path.optional && (errno == ENOENT || errno == EACCES || errno == ENOTDIR)) return {};
      return failErrno("open " + path.path);
    }
    descriptor = opened.get();
  }
  const struct stat info = TRY(sys::status(FdRef(descriptor)));
  Access allowed = path.access & handled;
  if (!S_ISDIR(info.st_mode)) allowed &= kFileAccess;
  if (allowed == 0) return {};
  const PathBeneath rule{allowed, descriptor};
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), kRulePathBeneath, &rule, 0) != 0) {
    return failErrno("add a Landlock rule for " + path.path);
  }
  return {};
}

}  // namespace

int landlockAbi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionQuery);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<LandlockState> restrictTo(std::span<const PathAccess> paths, bool allowTcp) {
  return restrictAsAbi(landlockAbi(), paths, allowTcp);
}

Result<LandlockState> restrictAsAbi(int abi, std::span<const PathAccess> paths, bool allowTcp) {
  if (abi == 0) return LandlockState{};

  // Binding is never allowed: no process of ours is a TCP server.
  RulesetAttributes attributes{.handledFiles = handledAt(abi), .handledNetwork = 0, .scoped = 0};
  if (abi >= kAbiNetwork) attributes.handledNetwork = allowTcp ? kBindTcp : kBindTcp | kConnectTcp;
  if (abi >= kAbiScopes) attributes.scoped = kScopeAbstractSockets | kScopeSignals;
  const Fd ruleset = Fd::own(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, attributeSize(abi), 0)));
  if (!ruleset.valid()) return failErrno("create a Landlock rule set");
  for (const PathAccess& path : paths) TRY(addRule(ruleset, path, attributes.handledFiles));
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return failErrno("enter the Landlock rule set");
  }
  return LandlockState{.abi = abi,
                       .files = true,
                       .truncate = abi >= kAbiTruncate,
                       .tcp = abi >= kAbiNetwork && !allowTcp,
                       .devices = abi >= kAbiDevices,
                       .scoped = abi >= kAbiScopes};
}

}  // namespace airlock::sandbox
