// SPDX-License-Identifier: Apache-2.0
// airlock-measure: one job on descriptor 3, one answer, end.  Started by the helper before every
// start of a pod, so what it links and does at start-up is time that a user waits.
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "ipc/channel.h"
#include "ipc/measure_messages.h"
#include "sandbox/confine.h"
#include "sandbox/policies/measure.bpf.h"
#include "tpm/attest.h"
#include "tpm/fault.h"
#include "tpm/measure.h"
#include "tpm/password.h"
#include "tpm/relay.h"

namespace airlock::tpm {

namespace {

// tpm2-tss writes to stderr on its own; what failed is in our answer.
constexpr char kTssLog[] = "TSS2_LOG";
constexpr int kJobMilliseconds = 10'000;
#ifdef AIRLOCK_SANITIZED
constexpr rlim_t kMemoryBytes = RLIM_INFINITY;  // the sanitizers' shadow memory is terabytes
#else
constexpr rlim_t kMemoryBytes = 1 * limits::GiB;
#endif
constexpr rlim_t kProcessorSeconds = 60;

// Before the job is decoded: its texts come from images.
Result<void> confine(const std::vector<Fd>& fds) {
  sandbox::Confinement confinement;
  confinement.filter = sandbox::policies::kMeasure;
  confinement.paths = {
      {.path = {}, .descriptor = fds.front().get(), .access = sandbox::kReadWrite}};
  confinement.keep = {ipc::kChannelFd};
  for (const Fd& fd : fds) confinement.keep.push_back(fd.get());
  confinement.environment = faultVariables();
  confinement.environment.push_back(kTssLog);
  confinement.limits = {{RLIMIT_AS, kMemoryBytes},
                        {RLIMIT_CPU, kProcessorSeconds},
                        {RLIMIT_FSIZE, 2 * limits::kEventLogBytes},
                        {RLIMIT_NOFILE, 64}};
  auto enforced = sandbox::enter(confinement);
  if (!enforced) return std::unexpected(std::move(enforced.error()));
  return {};
}

Result<std::vector<Fd>> takeAll(ipc::FdTable fds) {
  std::vector<Fd> taken;
  while (taken.size() < fds.size()) taken.push_back(TRY(fds.take(taken.size())));
  return taken;
}

Result<Passwords> receivePasswords(const ipc::AttestRequest& request, std::span<const Fd> pipes) {
  Passwords passwords;
  std::size_t next = 0;
  if (request.hasOwnerPassword) {
    passwords.owner.emplace(
        TRY(inContext(Password::receive(pipes[next++]), "of the owner hierarchy")));
  }
  if (request.hasEndorsementPassword) {
    passwords.endorsement.emplace(
        TRY(inContext(Password::receive(pipes[next]), "of the endorsement hierarchy")));
  }
  return passwords;
}

// Descriptors: the log's directory, the TPM, the passwords.
Result<ipc::MeasureReply> work(ipc::Message message) {
  std::vector<Fd> fds = TRY(takeAll(std::move(message.fds)));
  if (fds.empty()) return refuse(ErrorKind::Invalid, "E_FD", "a job without descriptors");
  // A device is the TPM: of what may come beside it all are pipes.
  if (fds.size() > 1 && S_ISCHR(TRY(sys::status(fds[1])).st_mode)) {
    fds[1] = TRY(relayTo(std::move(fds[1])));
  }
  TRY(confine(fds));
  const ipc::MeasureJob job = TRY(ipc::decodeMeasureJob(message.bytes));
  const std::size_t first = job.hasTpm ? 2 : 1;  // of the passwords
  if (fds.size() != first + (job.attest ? job.attest->request.passwords() : 0)) {
    return refuse(ErrorKind::Invalid, "E_FD", "the job and its descriptors do not agree");
  }
  Fd device;
  if (job.hasTpm) device = std::move(fds[1]);
  if (!job.attest) return TRY(measure(job, fds.front(), std::move(device)));
  const Passwords passwords =
      TRY(receivePasswords(job.attest->request, std::span(fds).subspan(first)));
  return TRY(attest(job, fds.front(), std::move(device), passwords));
}

Result<void> serve() {
  if (::setenv(kTssLog, "all+NONE", 1) != 0) return failErrno("set TSS2_LOG");
  ipc::Channel channel(Fd::own(ipc::kChannelFd));
  auto message = TRY(channel.receive(kJobMilliseconds));
  if (!message) return {};  // the helper changed its mind
  auto reply = work(std::move(*message));
  if (!reply) reply = ipc::Failure{std::move(reply.error())};
  const std::string bytes = TRY(ipc::encode(*reply));
  return channel.send(bytes);
}

}  // namespace

}  // namespace airlock::tpm

int main(int argc, char**) {
  airlock::sandbox::refuseEmptyArguments(argc);
  // swtpm may close its end at any time; that is an error of write(2), not the end of this process.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  const auto served = airlock::tpm::serve();
  if (served) return EXIT_SUCCESS;
  airlock::log(airlock::LogLevel::Error, "measure", served.error().text());
  return EXIT_FAILURE;
}
