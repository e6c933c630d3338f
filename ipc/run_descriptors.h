// SPDX-License-Identifier: Apache-2.0
// What comes with a RunRequest beside its bytes, taken over and looked at: root lets into a pod
// what this accepts.  The helper.
#pragma once

#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sealed.h"
#include "ipc/fd_table.h"
#include "ipc/pod_spec.h"

namespace airlock::ipc {

// In the order of the request.
struct RunDescriptors {
  std::vector<Fd> streams;
  std::vector<Fd> volumes;
  std::vector<Sealed> filters;
  std::vector<Fd> others;    // sockets, then streams of single apps
  bool hostSockets = false;  // any of all of these is a socket of the host's network

  // Exactly those that the spec wants; E_FD when a volume is no open directory or file.
  static Result<RunDescriptors> take(const PodSpec& pod, FdTable& fds);
  // Their numbers in stage1, but for the volumes, which go there as mounts.
  std::vector<std::pair<int, FdRef>> places(const PodSpec& pod) const;
};

}  // namespace airlock::ipc
