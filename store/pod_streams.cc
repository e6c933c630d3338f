// SPDX-License-Identifier: Apache-2.0
#include "store/pod_streams.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "base/syscall.h"
#include "sandbox/selinux.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

constexpr const char* kAttach = "attach";

// There is neither bindat(2) nor connectat(2).
sockaddr_un addressIn(FdRef dir) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(dir.get()) + "/" + kAttach;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

Result<Fd> newSocket() {
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return failErrno("make a socket");
  return socket;
}

}  // namespace

Result<Fd> makeLogDirectory(const PodPlace& place, gid_t group) {
  const auto labelled = TRY(sandbox::FileLabel::set(place.label.files));
  Fd log = TRY(sys::ensureDirectory(place.dir, name("log"), 0700));
  // S_ISGID: the group of what is made in it.  The pod cannot name that group, nor change it.
  if (::fchown(log.get(), place.range.first, group) != 0 || ::fchmod(log.get(), 02750) != 0)
    return failErrno("give to the pod");
  return log;
}

Result<Fd> makeAttachSocket(const PodPlace& place) {
  Fd socket = TRY(newSocket());
  const sockaddr_un address = addressIn(place.dir);
  // Nobody can connect before it listens, and then it has its mode.
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchmodat(place.dir.get(), kAttach, 0600, 0) != 0 ||
      ::listen(socket.get(), static_cast<int>(limits::kAttachments)) != 0) {
    return failErrno("make the pod's attach socket");
  }
  return socket;
}

Result<Fd> connectStreams(const Pod& pod, const ipc::AttachSpec& wanted) {
  const std::string bytes = TRY(ipc::encode(wanted));
  Fd socket = TRY(newSocket());
  const sockaddr_un address = addressIn(pod.dirOf(wanted.app));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string id = "pod \"" + pod.record.pod.text() + "\"";
    if (errno == ENOENT) {
      return refuse(ErrorKind::Missing, "E_ATTACH", id + " has no app that can be attached to",
                    "Run it with --stdin=stream --stdout=stream --stderr=stream, or tty");
    }
    if (errno == EAGAIN)
      return refuse(ErrorKind::Busy, "E_ATTACH", "too many attach to " + id, "Try again");
    return failErrno("connect to " + id);
  }
  if (::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0)
    return failErrno("attach");
  return socket;
}

}  // namespace airlock::store
