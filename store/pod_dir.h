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

enum class PodState {
  Embryo,
  Preparing,
  AbortedPrepare,
  Prepared,
  Running,
  Exited,
  ExitedGarbage,
  ExitedDeleting,
  Garbage,
  Deleting
};
// As rkt prints it: "running", "exited", "exited garbage", …
const char* toString(PodState state);

// The owner of a pod whose record cannot be read: nobody, so that policy must let a caller at any.
inline constexpr std::uint32_t kNoOwner = 0xFFFFFFFF;

// An app that was added to a sandbox.  Its directory has of it what a pod's directory has of the
// pod's own apps (docs/store-layout.md): its state is its lock there.
struct AddedApp {
  AppName name;
  std::int64_t createdAt = 0;
  std::int64_t startedAt = 0;  // 0: it was never started
  bool running = false;
  std::optional<pid_t> pid;  // of its supervisor, as the starter saw it
  Fd dir;
};

struct Pod {
  ipc::PodRecord record;  // with the added apps behind its own
  PodState state = PodState::Exited;
  std::string broken;          // why the record cannot be read; then only its id means anything
  std::int64_t startedAt = 0;  // nanoseconds since 1970; 0: never
  std::optional<pid_t> pid;    // of the pod's PID 1, as the starter saw it; only while running
  // (app, exit status) of the apps that have ended
  std::vector<std::pair<std::string, int>> statuses;
  std::vector<std::string> oomKilled;  // those of them that the kernel ended for want of memory
  bool ready = false;                  // every app of its own had been exec'ed
  std::vector<AddedApp> added;
  Fd dir;

  // nullptr: it is not an added one.
  const AddedApp* addedApp(const AppName& app) const {
    for (const AddedApp& each : added)
      if (each.name == app) return &each;
    return nullptr;
  }
  // Where the files of this app are: status, upper, volumes, log, attach, spec, pod.
  FdRef dirOf(const AppName& app) const {
    const AddedApp* found = addedApp(app);
    return found != nullptr ? found->dir.ref() : dir.ref();
  }
};

class PodDirectory {
 public:
  static Result<PodDirectory> openForWriting(FdRef top);  // makes the folders
  static Result<std::optional<PodDirectory>> openForReading(FdRef top);

  Result<std::vector<Pod>> list() const;    // sorted by UUID, broken ones too
  Result<Pod> find(const PodId& id) const;  // Missing: no such pod
  // A whole UUID or a unique beginning of one; texts as rkt's ("no matches found for …").
  Result<PodId> resolve(std::string_view text) const;

  // A pod that is on its way, with its lock held: the descriptor is the life of the pod.
  struct Embryo {
    PodId id;
    Fd dir;
    Fd lock;
    Fd claim;                                // of one that was prepared before
    std::optional<ipc::PodRecord> prepared;  // likewise, what was known of it
  };
  Result<Embryo> create() const;  // in embryo/
  // Of a prepared pod, which stays where it is: E_STATE when it is none, or somebody was first.
  Result<Embryo> takePrepared(const PodId& id) const;
  // A pod that has exited, and that nobody deletes while a copy of the claim is open anywhere: who
  // reads what it has left shares that with others who do.  E_STATE: it has not.
  struct Exited {
    Pod pod;
    Fd claim;
  };
  Result<Exited> holdExited(const PodId& id) const;
  Result<void> prepare(const Embryo& pod) const;       // embryo -> prepare
  Result<void> keepPrepared(const Embryo& pod) const;  // prepare -> prepared; durable
  Result<void> start(const Embryo& pod) const;         // embryo or prepared -> run
  // Each is false when the pod's lock is held, or another process was first.
  Result<bool> mark(const PodId& id) const;    // exited: run -> exited-garbage
  Result<bool> expire(const PodId& id) const;  // prepared -> garbage
  Result<bool> abort(const PodId& id) const;   // never prepared to the end: prepare -> garbage
  // From any state with nobody holding the lock; Busy (E_RUNNING, E_PREPARING, E_DELETING) else.
  // Nothing is unmounted: there is nothing.
  Result<void> remove(const PodId& id) const;
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
  Result<void> move(const PodId& id, std::string_view from, std::string_view to) const;
  Result<bool> discard(const PodId& id, std::string_view from) const;
  Result<std::optional<Pod>> read(std::string_view folder, const std::string& entry) const;
  Fd pods_;
};

// Busy, in rkt's words, when the pod runs, or somebody prepares, starts or deletes it.
Result<void> checkIdle(const Pod& pod);
// Whether the pod's lock, or an added app's, is held by what lives.
Result<bool> isAlive(FdRef dir);

// Whoever starts, changes or deletes a pod has its claim: a file that nobody else can open, so that
// nobody can keep us from it.  Not valid when another of us has it; Missing: a pod of an older
// engine, or a damaged one.
Result<Fd> claimPod(FdRef dir);
// Makes the lock of a pod or an added app, held, in the place of one that there is: a stranger's
// read lock on that one keeps nobody from this.
Result<Fd> makeLock(FdRef dir);

}  // namespace airlock::store
