// SPDX-License-Identifier: Apache-2.0
#include "sandbox/rlimits.h"

#include <algorithm>
#include <string>

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

}  // namespace airlock::sandbox
