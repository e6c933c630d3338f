// SPDX-License-Identifier: Apache-2.0
#include "sandbox/confine.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <utility>

#include "sandbox/credentials.h"
#include "sandbox/rlimits.h"
#include "sandbox/seccomp.h"
#include "sandbox/weaken.h"

#ifdef AIRLOCK_SANITIZED
// The leak checker stops and traces its own process at the end, which no policy of ours lets
// anybody do.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }  // NOLINT: its name
#endif

namespace airlock::sandbox {
namespace {

// Landlock binds one thread and what it starts; a second thread would stay outside.  unshare(2)
// refuses CLONE_VM to a process with several threads, and does nothing in a process with one.
Result<void> requireOneThread() {
  if (::unshare(CLONE_VM) != 0) return failErrno("confine a process that has threads already");
  return {};
}

Result<void> keepEnvironment(const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, std::string>> kept;
  for (const std::string& name : names) {
    if (const char* value = ::getenv(name.c_str())) kept.emplace_back(name, value);
  }
  if (::clearenv() != 0) return failErrno("clear the environment");
  for (const auto& [name, value] : kept) {
    if (::setenv(name.c_str(), value.c_str(), 1) != 0) return failErrno("keep " + name);
  }
  return {};
}

Result<void> resetSignals() {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  // The two that cannot be set, and those that the C library keeps, are refused; that is no error.
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  // A peer that goes away is an EPIPE where we write, not the end of the process.
  if (::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return failErrno("ignore SIGPIPE");
  sigset_t none;
  sigemptyset(&none);
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) return failErrno("reset the signal mask");
  const itimerval off{};
  for (const auto timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    if (::setitimer(timer, &off, nullptr) != 0) return failErrno("stop inherited timers");
  }
  return {};
}

Result<bool> giveUpCapabilities() {
  if constexpr (!kApplyCapabilities) return false;
  return TRY(dropAllCapabilities()).none();
}

Result<LandlockState> restrictFiles(const Confinement& confinement) {
  if constexpr (!kApplyLandlock) return LandlockState{};
  return restrictTo(confinement.paths, confinement.network);
}

Result<bool> restrictCalls(const Confinement& confinement) {
  if constexpr (!kApplySeccomp) return false;
  TRY(installFilter(confinement.filter));
  // Asked through the filter itself: floor.policy lets the question pass.
  if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER) {
    return fail(ErrorKind::Failed, "the system call filter did not take effect");
  }
  return true;
}

}  // namespace

Result<Enforced> enter(const Confinement& confinement) {
  Enforced enforced;
  TRY(requireOneThread());                        // Landlock would leave the others free
  TRY(ensureStandardDescriptors());               // no file of ours may become stderr
  TRY(closeAllBut(confinement.keep));             // nothing inherited by mistake
  TRY(keepEnvironment(confinement.environment));  // no variable steers a library
  TRY(resetSignals());                            // nor an inherited mask, disposition or timer
  ::umask(077);                                   // nothing of ours is for others
  if (::chdir("/") != 0) return failErrno("chdir /");  // no hold on a directory of the caller's
  TRY(applyLimits(confinement.limits));                // bounds what a parser can be made to use
  TRY(setDumpable(false));  // others of the same user cannot trace or read it
  enforced.notDumpable = true;
  enforced.noCapabilities = TRY(giveUpCapabilities());  // before no_new_privs, for exec as root
  TRY(setNoNewPrivileges());                            // the two below need it without privilege
  enforced.noNewPrivileges = true;
  enforced.landlock = TRY(restrictFiles(confinement));  // opens the paths, so before the filter
  enforced.landlockAbi = enforced.landlock.abi;
  enforced.separateUser = confinement.invoker && *confinement.invoker != ::getuid();
  enforced.seccomp = TRY(restrictCalls(confinement));  // last: the filter forbids all of the above
  return enforced;
}

void refuseEmptyArguments(int argc) {
  if (argc < 1) ::abort();
}

}  // namespace airlock::sandbox
