// SPDX-License-Identifier: Apache-2.0
// Having something measured before it happens: starts airlock-measure, which alone touches TPM and
// log.  Helper only.
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

// Under mode=require every failure refuses what was about to happen (E_MEASURE); under mode=log it
// is told in the layer.
Result<MeasureResult> measure(const Server& server, std::vector<ipc::ImageFacts> images,
                              std::optional<MeasuredEvent> event);
// Only what the register holds now.
Result<MeasureResult> readRegister(const Server& server);
// What is asked of the keys of the TPM; a quote is of a log that is measured up to now.  fds: the
// passwords, for airlock-measure alone.
Result<ipc::Attested> attestKeys(const Server& server, ipc::AttestRequest request,
                                 ipc::FdTable fds);
// The log, open for reading; nullopt before the first event.
Result<std::optional<Fd>> openLog(const Server& server);

// Of this engine: the log, the cache of program digests, the socket.
Result<Fd> runtimeDirectory(const Server& server);

}  // namespace airlock::helper
