// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/leash.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace airlock::stage1 {

namespace {

// A LeashCommand is two numbers; more than this is not one.
constexpr std::size_t kCommandBytes = 512;

bool sendMessage(FdRef socket, const std::string& bytes, const int* descriptor) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (descriptor != nullptr) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptor, sizeof(int));
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace

bool Leash::send(const ipc::LeashEvent& event) {
  return sendMessage(socket_, ipc::encode(event), nullptr);
}

bool Leash::send(const ipc::LeashEvent& event, FdRef descriptor) {
  const int number = descriptor.get();
  return sendMessage(socket_, ipc::encode(event), &number);
}

Leash::Input Leash::receive(ipc::LeashCommand& command) {
  alignas(8) char bytes[kCommandBytes];
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0) return Input::Closed;
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? Input::Nothing : Input::Closed;
    }
    auto decoded = ipc::decodeLeashCommand(std::string_view(bytes, static_cast<std::size_t>(got)));
    if (!decoded) return Input::Nothing;
    command = *decoded;
    return Input::Command;
  }
}

}  // namespace airlock::stage1
