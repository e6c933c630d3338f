// SPDX-License-Identifier: Apache-2.0
#include "sandbox/rlimits.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

#include "base/syscall.h"

namespace airlock::sandbox {
namespace {

Result<void> applyOne(const ResourceLimit& limit) {
  const auto resource = static_cast<__rlimit_resource>(limit.resource);
  const std::string name = "resource limit " + std::to_string(limit.resource);
  rlimit current{};
  if (::getrlimit(resource, &current) != 0) return failErrno(name);
  const rlim_t value = std::min(limit.value, current.rlim_max);
  const rlimit wanted{value, value};
  if (::setrlimit(resource, &wanted) != 0) return failErrno(name);
  if (::getrlimit(resource, &current) != 0) return failErrno(name);
  if (current.rlim_cur != value || current.rlim_max != value) {
    return fail(ErrorKind::Failed, name + " did not take effect");
  }
  return {};
}

}  // namespace

Result<void> applyLimits(std::span<const ResourceLimit> limits) {
  for (const ResourceLimit& limit : limits) TRY(applyOne(limit));
  return applyOne({RLIMIT_CORE, 0});
}

Result<void> takeLimitsOf(pid_t from, pid_t to) {
  for (int number = 0; number < RLIM_NLIMITS; ++number) {
    const auto resource = static_cast<__rlimit_resource>(number);
    if (number == RLIMIT_CORE) continue;
    rlimit limit{};
    if (::prlimit(from, resource, nullptr, &limit) == 0 &&
        ::prlimit(to, resource, &limit, nullptr) == 0) {
      continue;
    }
    if (errno != EPERM) return failErrno("pass on resource limit " + std::to_string(number));
  }
  const auto score = [](pid_t process, int flags) {
    return sys::openPath("/proc/" + std::to_string(process) + "/oom_score_adj", flags);
  };
  const std::string value = TRY(sys::readAll(TRY(score(from, O_RDONLY)), 16));
  auto written = sys::writeAll(TRY(score(to, O_WRONLY)), value);
  if (!written && written.error().number() != EACCES) return written;
  return {};
}

}  // namespace airlock::sandbox
