// SPDX-License-Identifier: Apache-2.0
// Apps that are added to a running sandbox, started, stopped and taken away (docs/decisions/0032).
// Helper only.
#pragma once

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/helper_messages.h"
#include "sandbox/pod_cgroup.h"
#include "store/pod_dir.h"
#include "store/pod_file.h"

namespace airlock::store {

// The right to change the apps of a sandbox: one process at a time has it, and others wait.
class SandboxChange {
 public:
  // E_IMMUTABLE when the pod is no sandbox, E_NOT_RUNNING when it has ended, E_BUSY when another
  // change does not come to an end.
  static Result<SandboxChange> begin(const PodDirectory& pods, const PodId& id);

  const Pod& pod() const { return pod_; }           // as it is now, with nobody else changing it
  FdRef process() const { return process_.ref(); }  // a pidfd of its PID 1
  gid_t ownersGroup() const { return group_; }      // which may read what its apps log

  // What stage1 is told of an app: what the caller says of it and its volumes, and what the sandbox
  // says of everything else.  E_REQUEST when that does not go together; E_DENIED for a volume that
  // the caller's rights would open in somebody else's pod.
  Result<ipc::PodSpec> specOf(const ipc::PodSpec& asked, uid_t caller) const;

  // The pod's user namespace.
  Result<Fd> openIds() const;
  // A cgroup for an app that is about to start, with its limits; nullopt: the host has none.
  Result<std::optional<sandbox::AddedCgroup>> makeGroup(const ipc::AppSpec& app) const;

  // E_APP when there is one of that name, or no place for another.  Whole or not at all.
  Result<void> add(const AppName& app, const PodFiles& files) const;
  // The app that this request, whose `pod` has it alone, is to start: it was added with that
  // manifest and image (E_STATE) and does not run (E_RUNNING).  What its last start left is taken
  // away, but for what it has written and logged.
  Result<const AddedApp*> findStopped(const ipc::RunRequest& request) const;
  // With all that it has written and logged.  E_APP, E_RUNNING.
  Result<void> remove(const AppName& app) const;
  // Ends what an app that has been stopped may have left behind, in its group.
  Result<void> sweep(const AppName& app) const;

 private:
  SandboxChange(Pod pod, Fd claim, Fd process, ipc::PodSpec spec, gid_t group);
  Result<const AddedApp*> find(const AppName& app) const;

  Pod pod_;
  Fd claim_;
  Fd process_;
  ipc::PodSpec spec_;
  gid_t group_;
};

// E_IMMUTABLE: only the apps of a sandbox can be changed, and this pod is none.
Result<ipc::PodSpec> requireSandbox(const Pod& pod);

}  // namespace airlock::store
