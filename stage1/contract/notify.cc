// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::stage1 {

namespace {

constexpr int kDatagramsAtOnce = 16;  // then others get their turn; the sender waits

}  // namespace

ServiceVariables serviceVariables(const ipc::PodSpec& spec, const ipc::AppSpec& app) {
  ServiceVariables variables;
  if (app.notify) {
    variables.values.emplace_back("NOTIFY_SOCKET", kNotifyPath);
    if (spec.watchdogMicroseconds != 0) {
      variables.values.emplace_back("WATCHDOG_USEC", std::to_string(spec.watchdogMicroseconds));
      variables.ownPid.emplace_back("WATCHDOG_PID");
    }
  }
  if (!app.sockets.empty()) {
    std::string names;
    for (const ipc::SocketSpec& socket : app.sockets)
      names += (names.empty() ? "" : ":") + socket.port.text();
    variables.values.emplace_back("LISTEN_FDS", std::to_string(app.sockets.size()));
    variables.values.emplace_back("LISTEN_FDNAMES", names);
    variables.ownPid.emplace_back("LISTEN_PID");
  }
  return variables;
}

Result<Fd> makeNotifySocket(FdRef directory) {
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return failErrno("make the notify socket");
  // Before it has a name: no datagram comes without its sender's pid.  unix(7)
  const int yes = 1;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0)
    return failErrno("ask for senders");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, kNotifyName);
  // There is no bindat(2).
  if (::fchdir(directory.get()) != 0) return failErrno("enter /dev");
  const int bound =
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int number = errno;
  if (::chdir("/") != 0) return failErrno("leave /dev");
  errno = number;
  if (bound != 0) return failErrno("make /dev/notify");
  return socket;
}

void readNotification(std::string_view datagram, Notification& into) {
  while (!datagram.empty()) {
    const auto end = datagram.find('\n');
    const std::string_view line = datagram.substr(0, end);
    datagram.remove_prefix(end == datagram.npos ? datagram.size() : end + 1);
    constexpr std::string_view status = "STATUS=";
    if (line == "READY=1") {
      // What comes later holds: an app that has reloaded is ready again.
      into.said = (into.said & ~ipc::kNotifyReloading) | ipc::kNotifyReady;
    } else if (line == "RELOADING=1") {
      into.said = (into.said & ~ipc::kNotifyReady) | ipc::kNotifyReloading;
    } else if (line == "STOPPING=1") {
      into.said |= ipc::kNotifyStopping;
    } else if (line == "WATCHDOG=1") {
      into.said |= ipc::kNotifyWatchdog;
    } else if (line.starts_with(status)) {
      into.said |= ipc::kNotifyStatus;
      // H15: it ends on an administrator's terminal.
      into.status = printable(line.substr(status.size())).substr(0, limits::kNotifyStatusBytes);
    }
  }
}

void receiveNotifications(FdRef socket, pid_t sender, Notification& into) {
  char bytes[limits::kNotifyBytes];
  for (int count = 0; count < kDatagramsAtOnce; ++count) {
    iovec part{bytes, sizeof bytes};
    // Room for the sender and nothing else: the kernel gives us no descriptor that has no room, and
    // says so (cmsg(3), MSG_CTRUNC).
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) continue;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_CREDENTIALS || header->cmsg_len != CMSG_LEN(sizeof(ucred))) {
      continue;
    }
    ucred from;
    std::memcpy(&from, CMSG_DATA(header), sizeof from);
    // The kernel lets nobody name another process without CAP_SYS_ADMIN, which no app has.  An
    // app's other processes and the pod's other apps are not the app (systemd's NotifyAccess=main).
    if (from.pid == sender)
      readNotification(std::string_view(bytes, static_cast<std::size_t>(got)), into);
  }
}

}  // namespace airlock::stage1
