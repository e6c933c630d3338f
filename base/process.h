// SPDX-License-Identifier: Apache-2.0
// Starting programs of ours: by descriptor, with exactly the descriptors, identity and namespaces
// that are named. The only place with clone and exec outside the pod start of the helper and
// stage1.  Anyone may use it.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock {

// How a process ended: an exit code, or the signal that ended it.
struct ExitStatus {
  int code = 0;    // 0..255 when signal == 0
  int signal = 0;  // 0 when it exited
  bool clean() const { return code == 0 && signal == 0; }
  int shellCode() const { return signal != 0 ? 128 + signal : code; }
  std::string text() const;  // "exit code 3", "signal 9 (Killed)"
};

// A child process.  Destroying it unwaited kills and reaps it: nothing that we started outlives its
// owner by accident.
class Child {
 public:
  Child(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    return *this;
  }
  ~Child();

  pid_t pid() const { return pid_; }
  FdRef pidfd() const { return pidfd_.ref(); }
  Result<ExitStatus> wait();                                 // blocks
  Result<std::optional<ExitStatus>> wait(int milliseconds);  // nullopt: still running
  Result<void> signal(int number);
  // Lets it live on after this object is gone.
  void disown() { pid_ = -1; }

 private:
  pid_t pid_;
  Fd pidfd_;
};

struct Identity {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};

struct ResourceLimit {
  int resource;  // RLIMIT_*
  rlim_t value;  // soft and hard
};

struct Program {
  FdRef executable;                      // an ELF file; run with execveat(AT_EMPTY_PATH)
  std::vector<std::string> arguments;    // argv, with argv[0]
  std::vector<std::string> environment;  // "K=V"; nothing is inherited
  // (descriptor of ours, its number in the program).  0, 1 and 2 not named are /dev/null; all
  // others are closed.
  std::vector<std::pair<FdRef, int>> descriptors;
  std::optional<Identity> identity;  // drop to it (needs root), verified by reading back
  std::uint64_t namespaces =
      0;  // CLONE_NEW*; with CLONE_NEWUSER the caller's ids map to themselves
  std::vector<ResourceLimit> limits;
  bool noNewPrivileges = true;
  bool dieWithParent = true;  // PR_SET_PDEATHSIG, SIGKILL
};

// Returns once the program has been exec'ed; a failure on the way is the error, with the step in
// its text. The child starts with default signal dispositions, an empty mask, umask 077, and "/" as
// its directory.
Result<Child> spawn(const Program& program);

// Default dispositions and an empty mask.  async-signal-safe: for use between clone and exec.
void resetSignals();

// `count` ids of both kinds, from `uid` and `gid` on inside a user namespace, are those from
// `outside` on.
struct IdMapping {
  uid_t uid;
  gid_t gid;
  unsigned outside;
  unsigned count;
};
Result<void> writeIdMaps(pid_t pid, const IdMapping& mapping);
// A user namespace without a process: what an idmapped mount is made with.  Needs CAP_SETUID and
// CAP_SETGID.
Result<Fd> makeUserNamespace(const IdMapping& mapping);

// Field 22 of /proc/PID/stat, clock ticks since boot (proc(5)): tells a process from another one
// that got its number later.
Result<std::uint64_t> startTimeOf(pid_t pid);

// Opens a program of ours that is installed beside this one: `name` in libexec/airlock of the
// prefix (or build tree) that /proc/self/exe lives in.  As root, refused when others could have
// written it.
Result<Fd> openSibling(const std::string& name);

}  // namespace airlock
