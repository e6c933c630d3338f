// SPDX-License-Identifier: Apache-2.0
// The events of a job as canonical bytes.  The measuring process only.
#pragma once

#include <cstdint>
#include <string>

#include "ipc/measure_messages.h"
#include "tpm/record.h"

namespace airlock::tpm {

// What the measuring process itself adds to the engine's facts.
struct EngineContext {
  ipc::MeasureMode mode = ipc::MeasureMode::Log;
  std::string anchor;        // "hardware", "software", "none"
  std::string anchorReason;  // why there is none
  std::string tpm;           // manufacturer and vendor text
  Banks before;              // the register before this event
  std::uint32_t resets = 0;
  std::uint32_t restarts = 0;
};

Event engineEvent(const ipc::EngineFacts& facts, const EngineContext& context);
Event policyEvent(const ipc::EngineFacts& facts);
Event trustEvent(const ipc::EngineFacts& facts);
Event imageEvent(const ipc::ImageFacts& facts);
Event podEvent(const ipc::PodFacts& facts);
Event enterEvent(const ipc::EnterFacts& facts);
Event abortEvent(const std::string& pod, const std::string& reason);
Event capEvent(const std::string& reason);
// The job's own event.
Event jobEvent(const std::variant<ipc::PodFacts, ipc::EnterFacts, ipc::AbortFacts>& facts);

}  // namespace airlock::tpm
