// SPDX-License-Identifier: Apache-2.0
// airlock-verify ROLE: one job on descriptor 3, one answer, and the end (ipc/verify_messages.h).
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "base/limits.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "sandbox/confine.h"
#include "sandbox/credentials.h"
#include "verifier/roles.h"

namespace airlock::verifier {
namespace {

constexpr int kJobMilliseconds = 30'000;
constexpr int kTimedOut = 124;

// The first process of a pid namespace ignores signals without a handler, its own timer's too.
extern "C" void airlockTimedOut(int) { ::_exit(kTimedOut); }

// A timer of timer_create(2) outlives the reset of inherited timers in sandbox::enter(), and needs
// no system call later.
Result<void> startDeadline() {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGALRM;
  timer_t timer;
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return failErrno("make a timer");
  itimerspec when{};
  when.it_value.tv_sec = limits::kRoleSeconds;
  if (::timer_settime(timer, 0, &when, nullptr) != 0) return failErrno("start a timer");
  return {};
}

Result<void> obeyDeadline() {
  struct sigaction action {};
  action.sa_handler = airlockTimedOut;
  if (::sigaction(SIGALRM, &action, nullptr) != 0) return failErrno("handle SIGALRM");
  return {};
}

struct Job {
  ipc::VerifyJob what;
  std::vector<Fd> fds;
};

// The job comes from whoever started this process and is trusted; only what its descriptors lead to
// is foreign.
Result<Job> receiveJob(ipc::Channel& channel, const char* argument) {
  auto message = TRY(channel.receive(kJobMilliseconds));
  if (!message) return fail(ErrorKind::Failed, "closed before a job came");
  Job job{TRY(ipc::decodeVerifyJob(message->bytes)), {}};
  const Role role = roleOf(job.what);
  if (argument == nullptr || parseRole(argument) != role) {
    return refuse(ErrorKind::Invalid, "E_ROLE", "the job is not one for the role that was started");
  }
  const std::size_t descriptors = descriptorsOf(job.what);
  TRY(message->fds.expect(descriptors));
  for (std::size_t index = 0; index < descriptors; ++index) {
    job.fds.push_back(TRY(message->fds.take(index)));
  }
  return job;
}

Result<ipc::VerifyReply> serve(ipc::Channel& channel, const char* argument) {
  Job job = TRY(receiveJob(channel, argument));
  std::vector<int> keep{channel.fd().get()};
  for (const Fd& fd : job.fds) keep.push_back(fd.get());
  TRY(startDeadline());
  TRY(confine(roleOf(job.what), keep));
  TRY(obeyDeadline());
  ipc::FdTable fds(std::move(job.fds));
  return perform(job.what, fds);
}

Result<void> run(int argc, char** argv) {
  TRY(sandbox::ensureStandardDescriptors());
  ipc::Channel channel(Fd::own(ipc::kChannelFd));
  auto served = serve(channel, argc == 2 ? argv[1] : nullptr);
  const ipc::VerifyReply reply =
      served ? std::move(*served) : ipc::VerifyReply(ipc::Failure{std::move(served.error())});
  return channel.send(TRY(ipc::encode(reply)));
}

}  // namespace
}  // namespace airlock::verifier

int main(int argc, char** argv) {
  airlock::sandbox::refuseEmptyArguments(argc);
  const auto done = airlock::verifier::run(argc, argv);
  if (done) return 0;
  airlock::log(airlock::LogLevel::Error, "verify", done.error().text());
  return 1;
}
