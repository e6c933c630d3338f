// SPDX-License-Identifier: Apache-2.0
// Records what is about to run, in the log and in the TPM, in an order that survives a crash.  The
// measuring process only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/measure_messages.h"
#include "tpm/tpm.h"

namespace airlock::tpm {

// Does one job.  `directory`: the log's, readable and writable.  `device`: the TPM (see
// Transport::over), not valid when the job has none.  After success everything that the job names
// is in the log, on disk and, where `anchor` of the answer is not "none", in the register.
//
// In mode Require every doubt is an error; in mode Log it becomes "none" and stands in the log as
// the engine record's reason.  E_TPM_ABSENT, E_TPM_POISONED, E_TPM_PCR_USED, E_TPM_UNANCHORED,
// E_TPM_REGISTER, E_TPM_LOG, E_TPM_LOG_FULL, and those of Tpm.
Result<ipc::Measured> measure(const ipc::MeasureJob& job, FdRef directory, Fd device);

// What holds while `then` runs: nobody else measures, the log is whole, and the register has the
// value that its first `logBytes` lead to.
struct Anchored {
  Tpm& tpm;
  std::uint32_t pcr;
  const std::vector<std::uint16_t>& banks;
  const Banks& value;
  std::string anchor;  // "hardware" or "software"
  std::uint64_t logBytes;
  FdRef directory;
};
using WhileAnchored = std::function<Result<void>(const Anchored&)>;
// For a job with `attest`: brings the engine's records up to date, then runs `then`.  Errors as in
// mode Require, whatever the mode is; E_ATTEST_OFF in mode Off.
Result<void> whileAnchored(const ipc::MeasureJob& job, FdRef directory, Fd device,
                           const WhileAnchored& then);

}  // namespace airlock::tpm
