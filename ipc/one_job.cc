// SPDX-License-Identifier: Apache-2.0
#include "ipc/one_job.h"

#include <unistd.h>

#include "base/syscall.h"
#include "ipc/channel.h"

namespace airlock::ipc {

Result<std::string> ask(const OneJob& job) {
  const Fd program = TRY(openSibling(job.program));
  sys::SocketPair pair = TRY(sys::socketPair());
  const Child child =
      TRY(spawn({.executable = program,
                 .arguments = {job.program},
                 .environment = {},
                 .descriptors = {{pair.second, kChannelFd}, {FdRef(STDERR_FILENO), STDERR_FILENO}},
                 .identity = job.identity,
                 .limits = {}}));
  pair.second.reset();
  Channel channel(std::move(pair.first));
  TRY(channel.send(job.bytes, job.fds));
  auto message = TRY(channel.receive(job.milliseconds));
  if (!message) {
    return refuse(ErrorKind::Failed, "E_PROGRAM",
                  std::string(job.program) + " ended without an answer");
  }
  TRY(message->fds.expect(0));
  return std::move(message->bytes);
}

}  // namespace airlock::ipc
