// SPDX-License-Identifier: Apache-2.0
// airlock-fetch: takes one job on descriptor 3, goes to the network for it, and ends.  Everything
// that it says and writes is hostile to whoever reads it; it can reach nothing but the network and
// the descriptors of its job.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/confinement.h"
#include "unpriv-fetch/events.h"
#include "unpriv-fetch/job.h"
#include "unpriv-fetch/oci_job.h"

namespace airlock::fetch {
namespace {

constexpr int kJobTimeout = 30'000;  // milliseconds: whoever starts us sends the job at once

Result<void> confineFor(Needs needs, const ipc::Channel& channel) {
  needs.keep.push_back(channel.fd().get());
  const sandbox::Enforced enforced = TRY(confine(std::move(needs)));
  if (!enforced.landlock.files) {
    log(LogLevel::Warn, "fetch",
        "no Landlock in this kernel: files that the user can read stay readable");
  }
  return {};
}

Result<ipc::FetchEvent> work(ipc::Channel& channel, Events& events) {
  TRY(refuseRoot());
  std::optional<ipc::Message> message = TRY(channel.receive(kJobTimeout));
  if (!message) return refuse(ErrorKind::Failed, "E_JOB", "no job came");
  ipc::FetchJob wanted = TRY(ipc::decodeFetchJob(message->bytes));
  if (auto* oci = std::get_if<ipc::FetchOciJob>(&wanted)) {
    const OciWork job = TRY(prepareOciWork(std::move(*oci), std::move(message->fds)));
    TRY(confineFor({.keep = job.descriptors(), .largestFile = job.largestFile, .manyFiles = true},
                   channel));
    return runOci(job, channel, events);
  }
  auto* image = std::get_if<ipc::FetchImageJob>(&wanted);
  FileJob files = image != nullptr ? FileJob(std::move(*image))
                                   : FileJob(std::get<ipc::FetchKeysJob>(std::move(wanted)));
  const Work job = TRY(prepareWork(std::move(files), std::move(message->fds)));
  TRY(confineFor({.keep = job.descriptors(), .largestFile = job.largestFile}, channel));
  return run(job, events);
}

int main() {
  ::clearenv();  // a proxy, a CA file or a netrc is named by the job or not used
  ipc::Channel channel(Fd::own(ipc::kChannelFd));
  Events events(channel);
  Result<ipc::FetchEvent> last = work(channel, events);
  const bool done = last.has_value();
  const Result<void> sent =
      events.send(done ? std::move(*last) : ipc::FetchEvent(ipc::Failure{last.error()}));
  const bool left = !done && last.error().code() == "E_GONE";  // which is no news to who has left
  if (!sent && !left)
    log(LogLevel::Error, "fetch", done ? sent.error().text() : last.error().text());
  return done && sent ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace airlock::fetch

int main(int argc, char**) {
  airlock::sandbox::refuseEmptyArguments(argc);
  return airlock::fetch::main();
}
