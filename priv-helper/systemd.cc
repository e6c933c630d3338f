// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/systemd.h"

#include <unistd.h>

#include "base/syscall.h"
#include "ipc/one_job.h"
#include "ipc/systemd_messages.h"
#include "sandbox/cgroup.h"

namespace airlock::helper {

namespace {

constexpr int kSystemdMilliseconds = 10'000;

Result<ipc::Arranged> arrange(const ipc::SystemdJob& job) {
  const std::string answer = TRY(ipc::ask({.program = "airlock-systemd",
                                           .identity = std::nullopt,
                                           .bytes = TRY(ipc::encode(job)),
                                           .fds = {},
                                           .milliseconds = kSystemdMilliseconds}));
  ipc::SystemdReply reply = TRY(ipc::decodeSystemdReply(answer));
  if (auto* failure = std::get_if<ipc::Failure>(&reply))
    return std::unexpected(std::move(failure->error));
  return std::get<ipc::Arranged>(std::move(reply));
}

}  // namespace

Result<Place> findPlace(const Server& server, const PodId& pod, pid_t leader) {
  Place place;
  if (::access(store::kSystemdRuns, F_OK) == 0) {
    auto arranged = arrange({pod, static_cast<unsigned>(leader),
                             static_cast<unsigned>(server.peer.pid)});
    if (!arranged) arranged = ipc::Arranged{{}, {}, arranged.error().text()};
    place.unit = arranged->unit;
    place.machine = arranged->machine.empty() ? "none: " + arranged->why : arranged->machine;
  }
  // Where it is, the kernel says.
  place.parent = TRY(sandbox::cgroupOf(leader));
  if (!place.parent.ends_with("airlock-" + pod.text() + ".scope"))
    place.parent = TRY(sandbox::cgroupOf(server.peer.pid));
  // Alive after all this: then the number was not another process's (I07).
  if (server.peer.pidfd)
    TRY(inContext(sys::pidfdSignal(*server.peer.pidfd, 0), "the caller has gone"));
  return place;
}

}  // namespace airlock::helper
