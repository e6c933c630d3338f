// SPDX-License-Identifier: Apache-2.0
// One airlock-fetch, from its job to its end.  CLI only: fetch_client and oci_download.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "cli/progress.h"
#include "ipc/channel.h"
#include "ipc/fetch_messages.h"

namespace airlock::cli {

// The caller's CA bundle, when the environment names one (as OpenSSL reads it).
Result<std::optional<Fd>> callersBundle();

class FetchProcess {
 public:
  using OnFound = std::function<void(const ipc::FetchFound&)>;

  // As the caller, or for root as the user airlock-fetch.
  static Result<FetchProcess> start(const ipc::FetchJob& job, std::span<const FdRef> fds);

  // The next event that is not only for the user: notes and progress are shown on stderr.  A
  // Failure is the error.  E_FETCH: it ended, or said nothing for two minutes.  `keysText` is told
  // before a signature is downloaded, and then emptied.
  Result<ipc::FetchEvent> next(const OnFound& found, std::string& keysText);
  Result<void> send(std::string_view bytes, std::span<const FdRef> fds);

  // Waits for its end, which it reaches by itself after its last event; after five seconds it is
  // ended.  nullopt then.
  Result<std::optional<ExitStatus>> end();

 private:
  FetchProcess(Child child, ipc::Channel channel)
      : child_(std::move(child)),
        channel_(std::move(channel)),
        progress_(std::make_unique<Progress>()) {}

  Child child_;
  ipc::Channel channel_;
  std::unique_ptr<Progress> progress_;
};

// What is told of one that ended without an answer.
std::unexpected<Error> endedSilently(const std::optional<ExitStatus>& status, Error error);

}  // namespace airlock::cli
