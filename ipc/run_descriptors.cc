// SPDX-License-Identifier: Apache-2.0
#include "ipc/run_descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/limits.h"
#include "base/syscall.h"
#include "ipc/inet_socket.h"

namespace airlock::ipc {

Result<RunDescriptors> RunDescriptors::take(const PodSpec& pod, FdTable& fds) {
  const auto volumes = std::ranges::count(pod.volumes, VolumeKind::Host, &VolumeSpec::kind);
  const auto filters = std::ranges::count(pod.apps, true, &AppSpec::hasExtraFilter);
  const Stage1Descriptors numbers{pod};
  const int others = numbers.cgroup(0) - numbers.socket(0);
  TRY(fds.expect(3 + static_cast<std::size_t>(volumes + filters + others)));
  RunDescriptors received;
  std::size_t next = 0;
  for (int i = 0; i < 3; ++i) received.streams.push_back(TRY(fds.take(next++)));
  for (std::ptrdiff_t i = 0; i < volumes; ++i) {
    Fd source = TRY(fds.take(next++));
    const mode_t mode = TRY(sys::status(source)).st_mode;
    const int flags = ::fcntl(source.get(), F_GETFL);
    // O_PATH would prove nothing about what its sender may read.
    if ((flags & O_PATH) != 0 || !(S_ISDIR(mode) || S_ISREG(mode))) {
      return refuse(ErrorKind::Invalid, "E_FD",
                    "a volume's descriptor is neither an open directory nor a file");
    }
    received.volumes.push_back(std::move(source));
  }
  for (std::ptrdiff_t i = 0; i < filters; ++i) {
    received.filters.push_back(TRY(Sealed::check(TRY(fds.take(next++)), limits::kMessageBytes)));
  }
  for (int i = 0; i < others; ++i) received.others.push_back(TRY(fds.take(next++)));
  std::size_t socket = 0;
  for (const AppSpec& app : pod.apps)
    for (const SocketSpec& each : app.sockets) TRY(checkSocket(received.others[socket++], each));
  const auto isHosts = [](const Fd& fd) { return inetSocketOf(fd).has_value(); };
  received.hostSockets = std::ranges::any_of(received.streams, isHosts) ||
                         std::ranges::any_of(received.others, isHosts);
  return received;
}

std::vector<std::pair<int, FdRef>> RunDescriptors::places(const PodSpec& pod) const {
  const Stage1Descriptors numbers{pod};
  std::vector<std::pair<int, FdRef>> all = {
      {kStdinFd, streams[0]}, {kStdoutFd, streams[1]}, {kStderrFd, streams[2]}};
  std::size_t next = 0;
  for (std::size_t i = 0; i < pod.apps.size(); ++i)
    if (pod.apps[i].hasExtraFilter) all.emplace_back(numbers.filter(i), filters[next++].fd());
  for (std::size_t i = 0; i < others.size(); ++i)
    all.emplace_back(numbers.socket(0) + static_cast<int>(i), others[i]);
  return all;
}

}  // namespace airlock::ipc
