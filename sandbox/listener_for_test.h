// SPDX-License-Identifier: Apache-2.0
// A TCP server on a free loopback port.  Tests of sandbox/ only.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/child_for_test.h"

namespace airlock::sandbox {

struct Listener {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  Listener() {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(fd, 4) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      ::abort();
    }
  }
  ~Listener() { ::close(fd); }
  int connectTo() const {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return errorOf(::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
};

}  // namespace airlock::sandbox
