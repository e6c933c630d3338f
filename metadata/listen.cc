// SPDX-License-Identifier: Apache-2.0
#include "metadata/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/accounts.h"
#include "base/local_socket.h"

namespace airlock::metadata {

namespace {

constexpr int kPassed = 3;  // sd_listen_fds(3)
constexpr mode_t kSocketMode = 0660;

bool passedByManager() {
  const char* pid = ::getenv("LISTEN_PID");
  const char* count = ::getenv("LISTEN_FDS");
  return pid != nullptr && count != nullptr &&
         parseNumber(pid) == static_cast<unsigned>(::getpid()) && std::string_view(count) == "1";
}

Result<Fd> passedSocket() {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(kPassed, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
    return refuse(ErrorKind::Invalid, "E_SOCKET", "descriptor 3 is no listening socket",
                  "Start this service by its socket unit, or without LISTEN_FDS");
  }
  int domain = 0;
  size = sizeof domain;
  if (::getsockopt(kPassed, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) {
    return refuse(ErrorKind::Invalid, "E_SOCKET",
                  "descriptor 3 is no local socket: who registers could not be told");
  }
  if (::fcntl(kPassed, F_SETFD, FD_CLOEXEC) != 0) return failErrno("fcntl F_SETFD");
  Fd socket = Fd::own(kPassed);
  if (::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0) return failErrno("fcntl F_SETFL");
  return socket;
}

Result<Fd> listening(Fd socket, const sockaddr* address, socklen_t size, const std::string& where) {
  if (::bind(socket.get(), address, size) != 0) return failErrno("listen at " + where);
  if (::listen(socket.get(), SOMAXCONN) != 0) return failErrno("listen at " + where);
  return socket;
}

}  // namespace

Result<Fd> listenForPods(const std::string& address, std::uint16_t port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &place.sin_addr) != 1) {
    return refuse(ErrorKind::Invalid, "E_USAGE", "\"" + address + "\" is no IPv4 address",
                  "Give one of this host, or 0.0.0.0 for all");
  }
  Fd socket = Fd::own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return failErrno("socket");
  const int on = 1;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    return failErrno("setsockopt SO_REUSEADDR");
  return listening(std::move(socket), reinterpret_cast<const sockaddr*>(&place), sizeof place,
                   address + ":" + std::to_string(port));
}

Result<std::uint16_t> portOf(FdRef socket) {
  sockaddr_in place{};
  socklen_t size = sizeof place;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&place), &size) != 0)
    return failErrno("getsockname");
  return ntohs(place.sin_port);
}

Result<Fd> listenForRegistrations(const std::string& path) {
  if (passedByManager()) return passedSocket();
  const sockaddr_un place = TRY(sys::localAddress(path));
  const auto* address = reinterpret_cast<const sockaddr*>(&place);
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return failErrno("socket");
  const auto other = sys::connectLocal(path, SOCK_STREAM | SOCK_NONBLOCK);
  if (other) {
    return refuse(ErrorKind::Busy, "E_RUNNING",
                  "a metadata service listens at " + path + " already",
                  "One is enough for a data directory");
  }
  if (other.error().number() == ECONNREFUSED)
    ::unlink(path.c_str());  // of a service that has ended
  const mode_t before = ::umask(0777 & ~kSocketMode);
  Result<Fd> made = listening(std::move(socket), address, sizeof place, path);
  ::umask(before);
  if (!made) {
    return std::unexpected(
        std::move(made.error()).withHint("Run it as root, or by airlock-metadata.socket"));
  }
  const auto group = TRY(findGroup("airlock"));
  if (::geteuid() == 0 && group && ::chown(path.c_str(), 0, *group) != 0)
    return failErrno("chown " + path);
  return made;
}

}  // namespace airlock::metadata
