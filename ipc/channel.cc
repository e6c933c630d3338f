// SPDX-License-Identifier: Apache-2.0
#include "ipc/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::ipc {

namespace {
// One more than is allowed, so that "too many" is seen as such and every one of them can be closed.
constexpr std::size_t kReceiveDescriptors = limits::kMessageDescriptors + 1;

std::unexpected<Error> badFrame(std::string what) {
  return refuse(ErrorKind::Invalid, "E_FRAME", std::move(what));
}

// True when there is something to read or the peer is gone.
Result<bool> waitReadable(FdRef socket, int milliseconds) {
  const std::int64_t deadline = sys::now() + milliseconds;
  int left = milliseconds;
  for (;;) {
    pollfd entry{.fd = socket.get(), .events = POLLIN, .revents = 0};
    const int ready = ::poll(&entry, 1, left);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return failErrno("poll");
    if (milliseconds >= 0) {
      left = static_cast<int>(std::max<std::int64_t>(0, deadline - sys::now()));
    }
  }
}

struct Received {
  std::size_t size = 0;
  int flags = 0;
  bool foreignControl = false;  // a control message that is not SCM_RIGHTS
  std::vector<Fd> fds;
};

// Every descriptor of the message is owned on return, whatever else is wrong with it.
Result<Received> receiveOnce(FdRef socket, std::span<char> buffer) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kReceiveDescriptors * sizeof(int))> control;
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got;
  do {
    got = ::recvmsg(socket.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return failErrno("recvmsg");

  Received received;
  received.size = static_cast<std::size_t>(got);
  received.flags = header.msg_flags;
  for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr;
       entry = CMSG_NXTHDR(&header, entry)) {
    if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) {
      received.foreignControl = true;
      continue;
    }
    const std::size_t count = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(entry) + i * sizeof(int), sizeof fd);
      received.fds.push_back(Fd::own(fd));
    }
  }
  return received;
}
}  // namespace

Result<void> Channel::send(std::string_view bytes, std::span<const FdRef> fds) {
  // An empty datagram cannot be told from the end of the stream.
  if (bytes.empty() || bytes.size() > limits::kMessageBytes) {
    return badFrame("a message of " + std::to_string(bytes.size()) + " bytes cannot be sent");
  }
  if (fds.size() > limits::kMessageDescriptors) {
    return badFrame("a message with " + std::to_string(fds.size()) + " descriptors cannot be sent");
  }
  alignas(cmsghdr) std::array<char, CMSG_SPACE(limits::kMessageDescriptors * sizeof(int))>
      control{};
  iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* entry = CMSG_FIRSTHDR(&header);
    entry->cmsg_level = SOL_SOCKET;
    entry->cmsg_type = SCM_RIGHTS;
    entry->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (std::size_t i = 0; i < fds.size(); ++i) {
      const int fd = fds[i].get();
      std::memcpy(CMSG_DATA(entry) + i * sizeof(int), &fd, sizeof fd);
    }
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return failErrno("sendmsg");
  if (static_cast<std::size_t>(sent) != bytes.size()) return badFrame("a message was cut short");
  return {};
}

Result<std::optional<Message>> Channel::receive(int milliseconds) {
  if (!TRY(waitReadable(socket_, milliseconds))) {
    return refuse(ErrorKind::Failed, "E_TIMEOUT",
                  "the other side did not answer within " + std::to_string(milliseconds) + " ms");
  }
  std::string buffer(limits::kMessageBytes + 1, '\0');
  auto attempt = receiveOnce(socket_, buffer);
  // The peer ended with a message of ours unread.  That is told once, before what it has said
  // itself: the next call gets that, or the end like any other.
  if (!attempt && attempt.error().number() == ECONNRESET) attempt = receiveOnce(socket_, buffer);
  if (!attempt) return std::unexpected(std::move(attempt.error()));
  Received& received = *attempt;
  if ((received.flags & MSG_TRUNC) != 0 || received.size > limits::kMessageBytes) {
    return badFrame("a message is larger than " + std::to_string(limits::kMessageBytes) + " bytes");
  }
  if ((received.flags & MSG_CTRUNC) != 0 || received.fds.size() > limits::kMessageDescriptors) {
    return badFrame(
        "a message brought more than " + std::to_string(limits::kMessageDescriptors) +
        " descriptors, more than this process may hold, or one that SELinux denies to it");
  }
  if (received.foreignControl) return badFrame("a message brought control data of a foreign kind");
  if (received.size == 0) {
    if (!received.fds.empty()) return badFrame("an empty message brought descriptors");
    return std::nullopt;
  }
  buffer.resize(received.size);
  buffer.shrink_to_fit();
  return Message{.bytes = std::move(buffer), .fds = FdTable(std::move(received.fds))};
}

}  // namespace airlock::ipc
