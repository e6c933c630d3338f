// SPDX-License-Identifier: Apache-2.0
#include "cli/service_variables.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "base/limits.h"
#include "cli/pod_flags.h"

namespace airlock::cli {

namespace {

constexpr int kFirstPassed = 3;  // sd_listen_fds(3), SD_LISTEN_FDS_START

std::string take(const char* name) {
  const char* value = ::getenv(name);
  std::string result = value == nullptr ? "" : value;
  ::unsetenv(name);
  return result;
}

// 0 for what is no number.
std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

Result<std::vector<PassedSocket>> takeSockets() {
  const std::string pid = take("LISTEN_PID");
  const std::string count = take("LISTEN_FDS");
  const std::vector<std::string> names = splitText(take("LISTEN_FDNAMES"), ':');
  std::vector<PassedSocket> sockets;
  // Meant for a process that has started us, and not for us: sd_listen_fds(3).
  if (number(pid) != static_cast<std::uint64_t>(::getpid()) || number(count) == 0) return sockets;
  if (number(count) > limits::kActivatedSockets) {
    return refuse(ErrorKind::Invalid, "E_SOCKET",
                  "the service manager passes " + std::to_string(number(count)) +
                      " descriptors, and a pod takes at most " +
                      std::to_string(limits::kActivatedSockets));
  }
  for (std::size_t i = 0; i < number(count); ++i) {
    const int fd = kFirstPassed + static_cast<int>(i);
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return refuse(ErrorKind::Invalid, "E_SOCKET",
                    "LISTEN_FDS announces descriptor " + std::to_string(fd) + ", which is not open",
                    "These variables are a service manager's to set: see sd_listen_fds(3)");
    }
    PassedSocket& socket = sockets.emplace_back();
    socket.fd = Fd::own(fd);
    socket.name = i < names.size() ? names[i] : "";
    socket.kind = ipc::inetSocketOf(socket.fd);
  }
  return sockets;
}

}  // namespace

Result<ServiceVariables> takeServiceVariables() {
  ServiceVariables variables;
  variables.notifySocket = take("NOTIFY_SOCKET");
  variables.journalStream = take("JOURNAL_STREAM");
  const std::string watchdog = take("WATCHDOG_USEC");
  const std::string watched = take("WATCHDOG_PID");
  if (watched.empty() || number(watched) == static_cast<std::uint64_t>(::getpid()))
    variables.watchdogMicroseconds = number(watchdog);
  variables.sockets = TRY(takeSockets());
  return variables;
}

}  // namespace airlock::cli
