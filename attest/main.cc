// SPDX-License-Identifier: Apache-2.0
// airlock-attest: one job on descriptor 3, one answer, end.  Started by the CLI of whoever wants to
// know about another host; parses nothing but what that host, its TPM's maker and the fleet's owner
// wrote, and has nothing but descriptors.
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "attest/confinement.h"
#include "attest/jobs.h"
#include "attest/key.h"
#include "base/log.h"
#include "ipc/appraise_messages.h"
#include "ipc/channel.h"
#include "sandbox/confine.h"
#include "sandbox/credentials.h"

namespace airlock::attest {

namespace {

// tss2-mu writes to stderr on its own; what failed is in our answer.
constexpr char kTssLog[] = "TSS2_LOG";
constexpr int kJobMilliseconds = 10'000;

Result<ipc::Appraised> work(ipc::Message message) {
  const ipc::AppraiseJob job = TRY(ipc::decodeAppraiseJob(message.bytes));
  const std::size_t count = ipc::descriptorsOf(job);
  TRY(message.fds.expect(count));
  std::vector<Fd> fds;
  std::vector<int> keep{ipc::kChannelFd};
  for (std::size_t i = 0; i < count; ++i) {
    fds.push_back(TRY(message.fds.take(i)));
    keep.push_back(fds.back().get());
  }
  TRY(confine(std::move(keep)));
  return perform(job, fds);
}

Result<void> serve() {
  TRY(sandbox::ensureStandardDescriptors());
  if (::setenv(kTssLog, "all+NONE", 1) != 0) return failErrno("set TSS2_LOG");
  prepareOpenssl();
  ipc::Channel channel(Fd::own(ipc::kChannelFd));
  auto message = TRY(channel.receive(kJobMilliseconds));
  if (!message) return {};  // whoever started it changed their mind
  auto done = work(std::move(*message));
  const ipc::AppraiseReply reply = done ? ipc::AppraiseReply(std::move(*done))
                                        : ipc::AppraiseReply(ipc::Failure{std::move(done.error())});
  return channel.send(TRY(ipc::encode(reply)));
}

}  // namespace

}  // namespace airlock::attest

int main(int argc, char**) {
  airlock::sandbox::refuseEmptyArguments(argc);
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  const auto served = airlock::attest::serve();
  if (served) return EXIT_SUCCESS;
  airlock::log(airlock::LogLevel::Error, "attest", served.error().text());
  return EXIT_FAILURE;
}
