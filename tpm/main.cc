// SPDX-License-Identifier: Apache-2.0
// airlock-measure: one job on descriptor 3, one answer, end.  Started by the helper before every
// start of a pod, so what it links and does at start-up is time that a user waits.
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>

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
Result<void> confine(FdRef directory, FdRef device) {
  sandbox::Confinement confinement;
  confinement.filter = sandbox::policies::kMeasure;
  confinement.paths = {{.path = {}, .descriptor = directory.get(), .access = sandbox::kReadWrite}};
  confinement.keep = {ipc::kChannelFd, directory.get()};
  if (device.valid()) confinement.keep.push_back(device.get());
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

Result<ipc::MeasureReply> work(ipc::Message message) {
  if (message.fds.size() != 1) TRY(message.fds.expect(2));
  const std::size_t count = message.fds.size();
  const Fd directory = TRY(message.fds.take(0));
  Fd device;
  if (count == 2) device = TRY(message.fds.take(1));
  if (device.valid() && S_ISCHR(TRY(sys::status(device)).st_mode)) {
    device = TRY(relayTo(std::move(device)));
  }
  TRY(confine(directory, device));
  const ipc::MeasureJob job = TRY(ipc::decodeMeasureJob(message.bytes));
  if (job.hasTpm != device.valid()) {
    return refuse(ErrorKind::Invalid, "E_FD", "the job and its descriptors do not agree");
  }
  if (job.attest) return TRY(attest(job, directory, std::move(device)));
  return TRY(measure(job, directory, std::move(device)));
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
