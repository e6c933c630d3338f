// SPDX-License-Identifier: Apache-2.0
#include "ipc/inet_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace airlock::ipc {

namespace {

int option(FdRef fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd.get(), SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

std::uint16_t boundPort(FdRef fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // The port stands at the same place in both.  ip(7), ipv6(7)
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

std::optional<InetSocket> inetSocketOf(FdRef fd) {
  const int family = option(fd, SO_DOMAIN);
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  InetSocket socket{.datagram = option(fd, SO_TYPE) == SOCK_DGRAM, .port = boundPort(fd)};
  // By protocol, too: a ping socket is a datagram socket, an MPTCP one a stream.
  const int protocol = option(fd, SO_PROTOCOL);
  socket.serves = socket.port != 0 &&
                  (socket.datagram ? protocol == IPPROTO_UDP
                                   : protocol == IPPROTO_TCP && option(fd, SO_ACCEPTCONN) == 1);
  return socket;
}

Result<void> checkSocket(FdRef fd, const SocketSpec& spec) {
  const auto socket = inetSocketOf(fd);
  if (socket && socket->serves && socket->datagram == spec.datagram && socket->port == spec.number)
    return {};
  return refuse(ErrorKind::Invalid, "E_FD",
                "the descriptor for port " + spec.port.text() + " is not a socket that serves it");
}

}  // namespace airlock::ipc
