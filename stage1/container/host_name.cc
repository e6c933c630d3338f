// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/host_name.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"

namespace airlock::stage1 {

std::string hostNameOf(const ipc::PodSpec& spec) {
  if (spec.hostname.empty()) return "airlock-" + spec.id.text();
  return spec.hostname.ends_with('-') ? spec.hostname + spec.id.text() : spec.hostname;
}

Result<void> setHostName(const std::string& name) {
  if (::sethostname(name.data(), name.size()) != 0) return failErrno("set the pod's host name");
  return {};
}

Result<void> bringLoopbackUp() {
  Fd socket = Fd::own(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return failErrno("bring the loopback interface up");
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) {
    return failErrno("bring the loopback interface up");
  }
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return failErrno("bring the loopback interface up");
  }
  return {};
}

}  // namespace airlock::stage1
