// SPDX-License-Identifier: Apache-2.0
#include "verifier/role_for_test.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/syscall.h"

namespace airlock::verifier {

namespace {
constexpr std::uint64_t kNamespaces =
    CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNS;
constexpr uid_t kSomeUser = 64'999;  // no account of this host: it has no rights beyond its own
constexpr int kMilliseconds = 60'000;
}  // namespace

Result<Started> startRole(const std::string& program, const std::string& role, Starter starter) {
  const Fd executable =
      TRY(sys::openPath(std::string(AIRLOCK_BINARY_DIR) + "/" + program, O_RDONLY));
  sys::SocketPair sockets = TRY(sys::socketPair());
  Program what{.executable = executable,
               .arguments = {"airlock-verify", role},
               .environment = {},
               .descriptors = {{sockets.second.ref(), ipc::kChannelFd}, {FdRef(2), 2}},
               .identity = {},
               .namespaces = kNamespaces,
               .limits = {}};
  if (starter == Starter::Root) {
    what.identity = Identity{kSomeUser, kSomeUser, {}};
  } else {
    what.namespaces |= CLONE_NEWUSER;
  }
  Child child = TRY(spawn(what));
  return Started{std::move(child), ipc::Channel(std::move(sockets.first))};
}

Result<Finished> runRole(const std::string& role, Starter starter, const ipc::VerifyJob& job,
                         std::span<const FdRef> fds) {
  Started started = TRY(startRole("libexec/airlock/airlock-verify", role, starter));
  const std::string bytes = TRY(ipc::encode(job));
  TRY(started.channel.send(bytes, fds));
  auto received = started.channel.receive(kMilliseconds);
  const ExitStatus status = TRY(started.child.wait());
  auto message = TRY(inContext(std::move(received), status.text()));
  if (!message) return fail(ErrorKind::Failed, "no answer: " + status.text());
  ipc::VerifyReply reply = TRY(ipc::decodeVerifyReply(message->bytes));
  return Finished{std::move(reply), status};
}

}  // namespace airlock::verifier
