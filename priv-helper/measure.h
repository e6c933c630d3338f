// SPDX-License-Identifier: Apache-2.0
// Having something measured before it happens: starts airlock-measure, which alone touches TPM and log.  Helper only.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "ipc/measure_messages.h"
#include "priv-helper/server.h"

namespace airlock::helper {

using MeasuredEvent = std::variant<ipc::PodFacts, ipc::EnterFacts, ipc::AbortFacts>;

struct MeasureResult {
  ipc::Measured measured;
  ipc::Layer layer;  // "measurement", and whether it holds
};

// Under mode=require every failure refuses what was about to happen (E_MEASURE); under mode=log it is told in the layer.
Result<MeasureResult> measure(const Server& server, std::vector<ipc::ImageFacts> images,
                              std::optional<MeasuredEvent> event);
// Only what the register holds now.
Result<MeasureResult> readRegister(const Server& server);
// The log, open for reading; nullopt before the first event.
Result<std::optional<Fd>> openLog(const Server& server);

// SHA-512 of a program of ours, kept beside its inode's identity so that a start does not hash what has not changed.
Result<ContentDigest> programDigest(const Server& server, const std::string& name, FdRef program);

}  // namespace airlock::helper
