// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/oci_source.h"

namespace airlock::fetch {
namespace {
constexpr std::string_view kLabel = "Downloading layers";
}  // namespace

Result<void> LayerBoard::advance(std::uint64_t before, std::uint64_t position) {
  if (stopped_) return refuse(ErrorKind::Failed, "E_STOPPED", "another layer could not be had");
  const std::lock_guard lock(mutex_);
  sum_ = sum_ - before + position;
  return events_->progress(kLabel, sum_, total_, false);
}

Result<void> LayerBoard::note(std::string text) {
  const std::lock_guard lock(mutex_);
  return events_->note(std::move(text));
}

Result<void> LayerBoard::done(std::uint32_t index) {
  const std::lock_guard lock(mutex_);
  return events_->send(ipc::OciLayerDone{index});
}

Result<void> LayerBoard::finish() {
  const std::lock_guard lock(mutex_);
  if (total_ == 0) return {};
  return events_->progress(kLabel, total_, total_, true);
}

}  // namespace airlock::fetch
