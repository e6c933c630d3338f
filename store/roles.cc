// SPDX-License-Identifier: Apache-2.0
#include "store/roles.h"

#include <sched.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/syscall.h"

namespace airlock::store {

Result<RoleStarter> RoleStarter::create() {
  Fd program = TRY(openSibling("airlock-verify"));
  constexpr std::uint64_t isolated =
      CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
  if (::geteuid() != 0)
    return RoleStarter(std::move(program), std::nullopt, isolated | CLONE_NEWUSER);
  const Account account = TRY(requireUser(kVerifyUser));
  return RoleStarter(std::move(program), Identity{account.uid, account.gid, {}}, isolated);
}

Result<Role> Role::start(const RoleStarter& starter, const char* role, const ipc::VerifyJob& job,
                         std::span<const FdRef> fds) {
  sys::SocketPair pair = TRY(sys::socketPair());
  Child child = TRY(
      spawn({.executable = starter.program(),
             .arguments = {"airlock-verify", role},
             .descriptors = {{pair.second, ipc::kChannelFd}, {FdRef(STDERR_FILENO), STDERR_FILENO}},
             .identity = starter.identity(),
             .namespaces = starter.namespaces()}));
  ipc::Channel channel(std::move(pair.first));
  TRY(channel.send(TRY(ipc::encode(job)), fds));
  return Role(role, std::move(child), std::move(channel));
}

Result<ipc::VerifyReply> Role::receive(int milliseconds) {
  auto message = channel_.receive(milliseconds);
  if (!message) return std::unexpected(std::move(message.error()).in(role_));
  if (!*message) {
    const ExitStatus status = TRY(child_.wait());
    return refuse(
        ErrorKind::Failed, "E_ROLE",
        std::string("the ") + role_ + " process ended without an answer: " + status.text(),
        "The input made it fail; nothing was kept. Report it if the image is genuine");
  }
  TRY((*message)->fds.expect(0));
  ipc::VerifyReply reply = TRY(ipc::decodeVerifyReply((*message)->bytes));
  if (auto* failure = std::get_if<ipc::Failure>(&reply))
    return std::unexpected(std::move(failure->error));
  return reply;
}

std::unexpected<Error> Role::unexpected() const {
  return refuse(ErrorKind::Failed, "E_ROLE",
                std::string("the ") + role_ + " process answered another question");
}

}  // namespace airlock::store
