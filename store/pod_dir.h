// SPDX-License-Identifier: Apache-2.0
// Pod directories and their states: a state is a folder and a lock, and no process needs to be
// asked.  The helper makes and removes them; everyone may read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/records.h"

namespace airlock::store {

enum class PodState { Embryo, Preparing, Prepared, Running, Exited, ExitedGarbage, Garbage };
// As rkt prints it: "running", "exited", "exited garbage", …
const char* toString(PodState state);

struct Pod {
  ipc::PodRecord record;
  PodState state = PodState::Exited;
  std::int64_t startedAt = 0;  // nanoseconds since 1970; 0: never
  std::optional<pid_t> pid;    // of the pod's PID 1, as the starter saw it; only while running
  // (app, exit status) of the apps that have ended
  std::vector<std::pair<std::string, int>> statuses;
  std::vector<std::string> oomKilled;  // those of them that the kernel ended for want of memory
  Fd dir;
};

class PodDirectory {
 public:
  static Result<PodDirectory> openForWriting(FdRef top);  // makes the folders
  static Result<std::optional<PodDirectory>> openForReading(FdRef top);

  Result<std::vector<Pod>> list() const;    // sorted by UUID; unreadable ones are left out
  Result<Pod> find(const PodId& id) const;  // Missing: no such pod
  // A whole UUID or a unique beginning of one; texts as rkt's ("no matches found for …").
  Result<PodId> resolve(std::string_view text) const;

  // A new pod, in embryo/, with its lock held: the descriptor is the life of the pod.
  struct Embryo {
    PodId id;
    Fd dir;
    Fd lock;
  };
  Result<Embryo> create() const;
  Result<void> start(const PodId& id) const;  // embryo -> run
  // Marks an exited pod; false when it runs, or another process is at it.
  Result<bool> mark(const PodId& id) const;  // run -> exited-garbage
  Result<void> remove(const PodId& id)
      const;  // from any state, not running; the caller unmounted nothing: there is nothing
  // An embryo that nobody holds: left by a starter that died before it wrote anything down.
  Result<void> removeEmbryo(const PodId& id) const;
  // The cgroup that such an embryo's starter had noted down; empty: none, or the embryo lives.
  Result<std::string> cgroupOfAbandoned(const PodId& id) const;
  Result<std::vector<PodId>> in(std::string_view folder) const;
  Result<std::vector<PodId>> ids() const;  // in the order of a pod's life, so that none is missed
  Result<std::int64_t> changedAt(std::string_view folder, const PodId& id) const;  // ctime, seconds

 private:
  explicit PodDirectory(Fd pods) : pods_(std::move(pods)) {}
  Result<bool> isAbandoned(const PodId& id) const;
  Result<std::optional<Pod>> read(std::string_view folder, const std::string& entry) const;
  Fd pods_;
};

// Whether the pod's lock is held by the pod.
Result<bool> isAlive(FdRef podDir);

}  // namespace airlock::store
