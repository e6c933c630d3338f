// SPDX-License-Identifier: Apache-2.0
// airlock-systemd: one job on descriptor 3, one answer, end.  The only program of Airlock that
// speaks D-Bus.  Started by the helper where systemd runs the host; root by its number, because
// that is what systemd asks for, and by nothing else.
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/systemd_messages.h"
#include "sandbox/confine.h"
#include "sandbox/policies/systemd.bpf.h"
#include "systemd/arrange.h"
#include "systemd/bus.h"

namespace airlock::systemd {

namespace {

constexpr int kJobMilliseconds = 10'000;
#ifdef AIRLOCK_SANITIZED
constexpr rlim_t kMemoryBytes = RLIM_INFINITY;  // the sanitizers' shadow memory is terabytes
#else
constexpr rlim_t kMemoryBytes = 256 * limits::MiB;
#endif
constexpr rlim_t kProcessorSeconds = 20;

// Connected first, then confined, and only then is a byte read: no file can be opened and no socket
// made by what reads the bus.
Result<void> confine(FdRef bus) {
  sandbox::Confinement confinement;
  confinement.filter = sandbox::policies::kSystemd;
  confinement.keep = {ipc::kChannelFd};
  if (bus.valid()) confinement.keep.push_back(bus.get());
  confinement.limits = {{RLIMIT_AS, kMemoryBytes},
                        {RLIMIT_CPU, kProcessorSeconds},
                        {RLIMIT_FSIZE, 0},
                        {RLIMIT_NOFILE, 32}};
  auto enforced = sandbox::enter(confinement);
  if (!enforced) return std::unexpected(std::move(enforced.error()));
  return {};
}

Result<ipc::Arranged> work(ipc::Message message, Result<Fd> bus) {
  TRY(message.fds.expect(0));
  const ipc::SystemdJob job = TRY(ipc::decodeSystemdJob(message.bytes));
  return arrange(job, TRY(std::move(bus)));
}

Result<void> serve() {
  auto bus = connectToBus();
  TRY(confine(bus ? bus->ref() : FdRef(-1)));
  ipc::Channel channel(Fd::own(ipc::kChannelFd));
  auto message = TRY(channel.receive(kJobMilliseconds));
  if (!message) return {};  // the helper changed its mind
  auto arranged = work(std::move(*message), std::move(bus));
  const ipc::SystemdReply reply =
      arranged ? ipc::SystemdReply(std::move(*arranged))
               : ipc::SystemdReply(ipc::Failure{std::move(arranged.error())});
  const std::string bytes = TRY(ipc::encode(reply));
  return channel.send(bytes);
}

}  // namespace

}  // namespace airlock::systemd

int main(int argc, char**) {
  airlock::sandbox::refuseEmptyArguments(argc);
  // The bus may close its end at any time; that is an error of a call, not the end of this process.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  const auto served = airlock::systemd::serve();
  if (served) return EXIT_SUCCESS;
  airlock::log(airlock::LogLevel::Error, "systemd", served.error().text());
  return EXIT_FAILURE;
}
