// SPDX-License-Identifier: Apache-2.0
#include "metadata/confinement.h"

#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/accounts.h"
#include "metadata/bounds.h"
#include "sandbox/confine.h"
#include "sandbox/policies/metadata.bpf.h"

namespace airlock::metadata {

namespace {

constexpr rlim_t kOpenFiles = limits::kMetadataConnections + limits::kMetadataRegistrations + 64;

Result<void> becomeUser() {
  if (::geteuid() != 0) return {};
  const Account account = TRY(requireUser(kUser));
  if (::setgroups(0, nullptr) != 0) return failErrno("setgroups");
  if (::setresgid(account.gid, account.gid, account.gid) != 0) return failErrno("setresgid");
  if (::setresuid(account.uid, account.uid, account.uid) != 0) return failErrno("setresuid");
  return {};
}

}  // namespace

Result<void> confine(std::vector<int> keep) {
  TRY(becomeUser());
  sandbox::Confinement confinement;
  confinement.filter = sandbox::policies::kMetadata;
  confinement.keep = std::move(keep);
  // No RLIMIT_FSIZE: the log may be a file, and there is no other that could grow.
  confinement.limits = {{RLIMIT_NOFILE, kOpenFiles}, {RLIMIT_NPROC, 0}};
  TRY(sandbox::enter(confinement));
  return {};
}

}  // namespace airlock::metadata
