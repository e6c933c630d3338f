// SPDX-License-Identifier: Apache-2.0
// What an app says of itself by sd_notify(3), and what it is told of systemd's protocols.  PID 1 of
// a pod.  Every stage1 flavour.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"

namespace airlock::stage1 {

// Where an app that notifies finds its socket: in /dev, which no image has a say in.
inline constexpr const char* kNotifyName = "notify";
inline constexpr const char* kNotifyPath = "/dev/notify";

// Variables with a value, and those whose value is the pid of the process that finds them.
struct ServiceVariables {
  std::vector<std::pair<std::string, std::string>> values;
  std::vector<std::string> ownPid;
};
// sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)
ServiceVariables serviceVariables(const ipc::PodSpec& spec, const ipc::AppSpec& app);

// A datagram socket named kNotifyName in `directory`, which tells who has sent.
Result<Fd> makeNotifySocket(FdRef directory);

// What an app has said and nobody has been told yet.
struct Notification {
  std::uint32_t said = 0;  // ipc::kNotify…
  std::string status;
};
// The lines of one datagram.  All but READY=1, RELOADING=1, STOPPING=1, WATCHDOG=1 and STATUS= mean
// nothing to us: MAINPID=, FDSTORE=1, ERRNO=, BUSERROR=, EXTEND_TIMEOUT_USEC= … are systemd's own
// to act on, outside of the pod.
void readNotification(std::string_view datagram, Notification& into);
// Takes in what has arrived, without waiting and no more than a few datagrams.  One that `sender`
// has not sent itself, that brings descriptors, or that is larger than limits::kNotifyBytes counts
// as nothing.
void receiveNotifications(FdRef socket, pid_t sender, Notification& into);

}  // namespace airlock::stage1
