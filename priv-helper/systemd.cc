// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/systemd.h"

#include <fcntl.h>

#include "base/syscall.h"
#include "ipc/one_job.h"
#include "ipc/systemd_messages.h"
#include "store/host_layers.h"
#include "store/layout.h"

namespace airlock::helper {

namespace {

constexpr int kSystemdMilliseconds = 20'000;

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

Result<Place> findPlace(const Server& server, const ipc::PodSpec& spec,
                        std::optional<pid_t> leader) {
  Place place{.parent = {}, .leader = leader, .own = false, .unit = {}, .machine = {}};
  if (leader) {
    // machined takes the unit that the leader is in, and it was cloned in this one.
    if (const auto hierarchy = sandbox::openCgroupHierarchy()) {
      const std::string callers = TRY(sandbox::cgroupOf(server.peer.pid));
      TRY(sandbox::writeCgroup(TRY(sandbox::openCgroup(*hierarchy, callers)), "cgroup.procs",
                               std::to_string(*leader)));
    }
    auto arranged = arrange({spec.id, static_cast<unsigned>(*leader),
                             static_cast<unsigned>(server.peer.pid), spec.hostname == "rkt-"});
    if (!arranged) arranged = ipc::Arranged{{}, {}, arranged.error().text()};
    place.unit = arranged->unit;
    place.machine = arranged->machine.empty() ? "none: " + arranged->why : arranged->machine;
  }
  // Where it is, the kernel says.
  place.parent = TRY(sandbox::cgroupOf(leader.value_or(server.peer.pid)));
  place.own = leader && place.parent.ends_with("airlock-" + spec.id.text() + ".scope");
  if (!place.own) place.parent = TRY(sandbox::cgroupOf(server.peer.pid));
  // Alive after all this: then the number was not another process's (I07).
  if (server.peer.pidfd)
    TRY(inContext(sys::pidfdSignal(*server.peer.pidfd, 0), "the caller has gone"));
  return place;
}

Result<std::optional<sandbox::PodCgroup>> makeCgroup(const Server& server, const Place& place,
                                                     FdRef podDir, const ipc::PodSpec& spec,
                                                     uid_t podRoot, std::string& path,
                                                     std::vector<ipc::Layer>& layers) {
  const auto hierarchy = sandbox::openCgroupHierarchy();
  if (!hierarchy) return std::optional<sandbox::PodCgroup>();
  // A scope that was made for the pod is ours, whoever asked for the pod.
  const auto above =
      TRY(sandbox::findCgroupPlace(*hierarchy, place.parent, place.own ? 0 : server.peer.uid));
  const Component name = store::name("airlock-" + spec.id.text());
  path = sandbox::cgroupPath(above.path, name);
  // Noted before it is there: a start that dies without a record leaves nothing unknown.
  const Fd note = TRY(sys::openBeneath(podDir, store::name("cgroup"), O_WRONLY | O_CREAT, 0600));
  TRY(sys::writeAll(note, path));
  sandbox::PodGroups wanted{.name = name,
                            .whole = {.pidsMax = server.policy.pidsMax},
                            .apps = {},
                            .owner = podRoot,
                            .leader = place.leader};
  for (const ipc::AppSpec& app : spec.apps)
    wanted.apps.push_back({app.name, {app.memoryBytes, app.cpuMillis, app.cpuShares, app.pidsMax}});
  auto made = TRY(sandbox::makePodCgroup(*hierarchy, above, wanted));
  TRY(store::noteLimits(made.limits, above.obstacle, server.policy.demands("cgroup"), layers));
  return std::optional(std::move(made));
}

}  // namespace airlock::helper
