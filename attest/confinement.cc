// SPDX-License-Identifier: Apache-2.0
#include "attest/confinement.h"

#include <sys/resource.h>

#include <utility>

#include "base/limits.h"
#include "sandbox/confine.h"
#include "sandbox/policies/attest.bpf.h"

namespace airlock::attest {

namespace {

#ifdef AIRLOCK_SANITIZED
constexpr rlim_t kMemoryBytes = RLIM_INFINITY;  // the sanitizers' shadow memory is terabytes
#else
constexpr rlim_t kMemoryBytes = 2 * limits::GiB;
#endif
constexpr rlim_t kProcessorSeconds = 300;

}  // namespace

Result<void> confine(std::vector<int> keep) {
  sandbox::Confinement confinement;
  confinement.filter = sandbox::policies::kAttest;
  confinement.keep = std::move(keep);
  confinement.environment = {"TSS2_LOG"};
  confinement.limits = {{RLIMIT_AS, kMemoryBytes},
                        {RLIMIT_CPU, kProcessorSeconds},
                        {RLIMIT_FSIZE, limits::kReportBytes},
                        {RLIMIT_NOFILE, 32},
                        {RLIMIT_NPROC, 0}};
  auto enforced = sandbox::enter(confinement);
  if (!enforced) return std::unexpected(std::move(enforced.error()));
  return {};
}

}  // namespace airlock::attest
