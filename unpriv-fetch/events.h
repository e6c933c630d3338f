// SPDX-License-Identifier: Apache-2.0
// What the CLI is told while a job runs.  The fetcher only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ipc/channel.h"
#include "ipc/fetch_messages.h"

namespace airlock::fetch {

// An error of a send means that nobody listens any more: the job ends.
class Events {
 public:
  explicit Events(ipc::Channel& channel) : channel_(&channel) {}

  Result<void> send(const ipc::FetchEvent& event);
  Result<void> note(std::string text) { return send(ipc::FetchNote{std::move(text)}); }
  // At most one in 100 ms; `last` is sent always, so that a bar can be finished.  `total` 0:
  // unknown.
  Result<void> progress(std::string_view label, std::uint64_t done, std::uint64_t total, bool last);

 private:
  ipc::Channel* channel_;
  std::int64_t lastProgress_ = 0;  // sys::now()
};

}  // namespace airlock::fetch
