// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "sandbox/exec_label.h"
#include "sandbox/policies/pod.bpf.h"
#include "sandbox/seccomp.h"
#include "stage1/contract/weaken.h"

namespace airlock::stage1 {

// async-signal-safe from here to the end of the file
namespace {

constexpr int kCapabilityNumbers = 64;  // what capset can carry

bool shrinkBoundingSet(std::uint64_t keep) {
  for (int number = 0; number < kCapabilityNumbers; ++number) {
    if ((keep >> number & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
    return errno == EINVAL;  // past the last capability of this kernel
  }
  return true;
}

// Permitted and effective = `keep` as far as there; inheritable and ambient empty (CVE-2022-24769).
bool setCapabilities(std::uint64_t keep) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  for (unsigned half = 0; half < _LINUX_CAPABILITY_U32S_3; ++half) {
    const std::uint32_t bits =
        data[half].permitted & static_cast<std::uint32_t>(keep >> (32 * half));
    data[half] = {.effective = bits, .permitted = bits, .inheritable = 0};
  }
  return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
         ::syscall(SYS_capset, &header, data) == 0;
}

bool hasNothingBeyond(std::uint64_t keep) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  for (unsigned half = 0; half < _LINUX_CAPABILITY_U32S_3; ++half) {
    const auto allowed = static_cast<std::uint32_t>(keep >> (32 * half));
    if (((data[half].effective | data[half].permitted) & ~allowed) != 0) return false;
    if (data[half].inheritable != 0) return false;
  }
  return true;
}

bool hasIds(const Confinement& wanted) {
  uid_t uids[3];
  gid_t gids[3];
  if (::getresuid(&uids[0], &uids[1], &uids[2]) != 0) return false;
  if (::getresgid(&gids[0], &gids[1], &gids[2]) != 0) return false;
  for (int each = 0; each < 3; ++each) {
    if (uids[each] != wanted.uid || gids[each] != wanted.gid) return false;
  }
  return ::getgroups(0, nullptr) == static_cast<int>(wanted.groups.size());
}

bool enterDirectory(const char* path) {
  // No magic link: /proc/self/fd/N could name a directory that is not ours (CVE-2024-21626).
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const auto fd = static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
  // RESOLVE_IN_ROOT starts at the descriptor, and the caller's directory is the root.
  if (fd < 0) return false;
  const bool good = ::fchdir(fd) == 0;
  const int number = errno;
  ::close(fd);
  errno = number;
  return good;
}

bool isInsideRoot() {
  char path[limits::kPathBytes + 1];
  return ::syscall(SYS_getcwd, path, sizeof path) > 0 && path[0] == '/';
}

// Not in the name "/proc", which an image could have made a link, but in what is a procfs (P04).
bool setLabel(const char* label) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const auto proc = static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, "/proc", &how, sizeof how));
  if (proc < 0) return false;
  const bool good = sandbox::setExecLabel(proc, label);
  const int number = errno;
  ::close(proc);
  errno = number;
  return good;
}

bool installFilters(const Confinement& confinement, StartFailure& failure) {
  if constexpr (!kFilterApps) return true;
  failure.step = StartStep::Filter;
  constexpr auto& filter = sandbox::policies::kPod;
  if (!sandbox::installFilterRaw(filter, sizeof filter / sizeof *filter)) return false;
  failure.step = StartStep::ExtraFilter;
  const auto& extra = confinement.extraFilter;
  return extra.empty() ||
         sandbox::installFilterRaw(extra.data(), static_cast<unsigned short>(extra.size()));
}

bool apply(const Confinement& confinement, StartFailure& failure) {
  const std::uint64_t held = confinement.uid == 0 ? confinement.capabilities : 0;
  const auto at = [&](StartStep step) { failure.step = step; };

  // The umask of a login, whatever the starter's was.
  ::umask(022);

  // A core would be written by a handler that the host runs, outside of every namespace (P06, K23).
  at(StartStep::Limits);
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return false;

  // Bounding set first: it needs CAP_SETPCAP, which goes with the ids.
  at(StartStep::BoundingSet);
  if (kDropCapabilities && !shrinkBoundingSet(confinement.capabilities)) return false;

  // Groups before gid before uid: each needs what the next takes away (R10).
  at(StartStep::Groups);
  if (::setgroups(confinement.groups.size(), confinement.groups.data()) != 0) return false;
  at(StartStep::Gid);
  if (::setresgid(confinement.gid, confinement.gid, confinement.gid) != 0) return false;
  at(StartStep::Uid);
  if (::setresuid(confinement.uid, confinement.uid, confinement.uid) != 0) return false;
  at(StartStep::VerifyIds);
  if (!hasIds(confinement)) return errno = EPERM, false;

  // Whoever started this process answers for it: an entered one must not outlive its watcher. After
  // the ids, whose change would clear it.
  at(StartStep::ParentDeath);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return false;

  // As the app's user, so that nobody starts in a directory that is closed to it.
  at(StartStep::WorkingDirectory);
  if (!enterDirectory(confinement.workingDirectory.c_str())) return false;
  at(StartStep::WorkingDirectoryOutside);
  if (!isInsideRoot()) return errno = EPERM, false;

  // What the next exec becomes, by name: the policy has no transition that would do it alone.
  at(StartStep::Label);
  if (!confinement.label.empty() && !setLabel(confinement.label.c_str())) return false;

  // Without no_new_privs a filter needs CAP_SYS_ADMIN, so here it comes before the capabilities go;
  // it lets capset by.
  if (!confinement.noNewPrivileges && !installFilters(confinement, failure)) return false;

  at(StartStep::Capabilities);
  if (kDropCapabilities && !setCapabilities(held)) return false;
  at(StartStep::VerifyCapabilities);
  if (kDropCapabilities && !hasNothingBeyond(held)) return errno = EPERM, false;

  if (!confinement.noNewPrivileges) return true;
  at(StartStep::NoNewPrivileges);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;

  // Last: the filters forbid much of the above.
  return installFilters(confinement, failure);
}

}  // namespace

bool applyConfinement(const Confinement& confinement, StartFailure& failure) noexcept {
  if (apply(confinement, failure)) return true;
  failure.number = errno;
  return false;
}

}  // namespace airlock::stage1
