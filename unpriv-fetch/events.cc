// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/events.h"

#include "base/syscall.h"

namespace airlock::fetch {
namespace {
constexpr std::int64_t kProgressInterval = 100;  // milliseconds
}  // namespace

Result<void> Events::send(const ipc::FetchEvent& event) {
  return channel_->send(TRY(ipc::encode(event)));
}

Result<void> Events::progress(std::string_view label, std::uint64_t done, std::uint64_t total,
                              bool last) {
  const std::int64_t now = sys::now();
  if (!last && now - lastProgress_ < kProgressInterval) return {};
  lastProgress_ = now;
  return send(ipc::FetchProgress{.label = std::string(label), .done = done, .total = total});
}

}  // namespace airlock::fetch
