// SPDX-License-Identifier: Apache-2.0
#include "sandbox/credentials.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

namespace airlock::sandbox {
namespace {

// Capability numbers end where the kernel says EINVAL; 64 bits is what capset can carry.
constexpr int kCapabilityNumbers = 64;

struct CapabilityData {
  __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];
};

Capabilities join(std::uint32_t low, std::uint32_t high) {
  return low | (Capabilities{high} << 32);
}

// async-signal-safe from here to the end of the namespace
bool getSets(CapabilityData& data) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capget, &header, data.half) == 0;
}

bool setSets(Capabilities keep) {
  CapabilityData data{};
  if (!getSets(data)) return false;
  const Capabilities permitted = join(data.half[0].permitted, data.half[1].permitted) & keep;
  for (int half = 0; half < 2; ++half) {
    const auto bits = static_cast<std::uint32_t>(permitted >> (32 * half));
    data.half[half] = {.effective = bits, .permitted = bits, .inheritable = 0};
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capset, &header, data.half) == 0;
}

bool shrinkBounding(Capabilities keep) {
  for (int number = 0; number < kCapabilityNumbers; ++number) {
    const int present = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
    if (present < 0) return true;
    if (present == 0 || (keep & capability(number)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) return errno == EPERM;
  }
  return true;
}

}  // namespace

bool keepOnlyCapabilitiesRaw(Capabilities keep) noexcept {
  // Bounding first: it needs CAP_SETPCAP, which the next step may give up.
  return shrinkBounding(keep) && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
         setSets(keep);
}

Result<CapabilityState> capabilities() {
  CapabilityData data{};
  if (!getSets(data)) return failErrno("capget");
  CapabilityState state{.effective = join(data.half[0].effective, data.half[1].effective),
                        .permitted = join(data.half[0].permitted, data.half[1].permitted),
                        .inheritable = join(data.half[0].inheritable, data.half[1].inheritable)};
  for (int number = 0; number < kCapabilityNumbers; ++number) {
    const int present = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
    if (present < 0) break;
    if (present == 1) state.bounding |= capability(number);
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, number, 0, 0) == 1) {
      state.ambient |= capability(number);
    }
  }
  return state;
}

Result<CapabilityState> keepOnlyCapabilities(Capabilities keep) {
  if (!keepOnlyCapabilitiesRaw(keep)) return failErrno("give up capabilities");
  const CapabilityState state = TRY(capabilities());
  if (((state.effective | state.permitted) & ~keep) != 0 || state.inheritable != 0 ||
      state.ambient != 0) {
    return fail(ErrorKind::Failed, "capabilities are still there after they were given up");
  }
  return state;
}

Result<void> setNoNewPrivileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failErrno("no_new_privs");
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
    return fail(ErrorKind::Failed, "no_new_privs did not take effect");
  }
  return {};
}

Result<void> setDumpable(bool dumpable) {
  const int wanted = dumpable ? 1 : 0;
  if (::prctl(PR_SET_DUMPABLE, wanted, 0, 0, 0) != 0) return failErrno("PR_SET_DUMPABLE");
  if (::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != wanted) {
    return fail(ErrorKind::Failed, "PR_SET_DUMPABLE did not take effect");
  }
  return {};
}

Result<void> closeAllBut(std::span<const int> keep) {
  std::vector<unsigned> kept{0, 1, 2};
  for (const int fd : keep) {
    // A descriptor that is not there would be taken by the next file that is opened.
    if (fd < 0 || ::fcntl(fd, F_GETFD) < 0) {
      return fail(ErrorKind::Invalid, "descriptor " + std::to_string(fd) + " is not open");
    }
    kept.push_back(static_cast<unsigned>(fd));
  }
  std::ranges::sort(kept);
  unsigned first = 0;
  for (const unsigned fd : kept) {
    if (fd > first && ::syscall(SYS_close_range, first, fd - 1, 0) != 0) {
      return failErrno("close_range");
    }
    first = std::max(first, fd + 1);
  }
  if (::syscall(SYS_close_range, first, ~0U, 0) != 0) return failErrno("close_range");
  return {};
}

Result<void> ensureStandardDescriptors() {
  for (int number = 0; number < 3; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    // The lowest free number is this one, since those below are open.
    const int null = ::open("/dev/null", O_RDWR);  // stays open across exec as 0, 1 and 2 do
    if (null != number) return failErrno("open /dev/null");
  }
  return {};
}

}  // namespace airlock::sandbox
