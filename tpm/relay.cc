// SPDX-License-Identifier: Apache-2.0
#include "tpm/relay.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "base/syscall.h"
#include "sandbox/confine.h"
#include "sandbox/policies/relay.bpf.h"
#include "tpm/transport.h"

namespace airlock::tpm {

namespace {

using Buffer = std::array<std::uint8_t, kTpmBufferBytes>;

// What the device answered, whole; its error number where it did not.
std::span<const std::uint8_t> exchange(FdRef device, std::span<const std::uint8_t> command,
                                       Buffer& answer, int& number) {
  // The write is the command's execution: the device is in blocking mode.
  ssize_t done = ::write(device.get(), command.data(), command.size());
  if (done >= 0) done = ::read(device.get(), answer.data(), answer.size());
  if (done > 0) return std::span(answer).first(static_cast<std::size_t>(done));
  number = done < 0 ? errno : EIO;
  return {reinterpret_cast<const std::uint8_t*>(&number), sizeof number};
}

// Until the job closes its end.
Result<void> serve(FdRef device, FdRef job) {
  Buffer command;
  Buffer answer;
  int number = 0;
  for (;;) {
    const std::size_t size = TRY(sys::read(job, command));
    if (size == 0) return {};
    TRY(sys::writeAll(job, exchange(device, std::span(command).first(size), answer, number)));
  }
}

[[noreturn]] void run(FdRef device, FdRef job, pid_t parent) {
  // With its job ends whatever the job might still have asked.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(EXIT_FAILURE);
  sandbox::Confinement confinement;
  confinement.filter = sandbox::policies::kRelay;
  confinement.keep = {device.get(), job.get()};
  const bool served = sandbox::enter(confinement) && serve(device, job);
  ::_exit(served ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace

Result<Fd> relayTo(Fd device) {
  const int flags = ::fcntl(device.get(), F_GETFL);
  if (flags < 0 || ::fcntl(device.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return failErrno("make the TPM's descriptor blocking");
  }
  sys::SocketPair pair = TRY(sys::socketPair());
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return failErrno("start the relay to the TPM");
  if (child == 0) {
    pair.first.reset();
    run(device, pair.second, parent);
  }
  return std::move(pair.first);
}

}  // namespace airlock::tpm
