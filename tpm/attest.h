// SPDX-License-Identifier: Apache-2.0
// What is asked of the keys of the TPM: quote, init, enroll, activate, revoke.  The measuring
// process only.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/measure_messages.h"
#include "tpm/password.h"

namespace airlock::tpm {

// Does a job with `attest`; parameters as for measure().  The files of the answer are those of
// docs/measurement.md.  E_ATTEST_NO_KEY (there is no attestation key), E_ATTEST_HANDLE (something
// else is where it belongs), E_ATTEST_BUSY, E_ATTEST_OFF, E_ATTEST_SELECTION, E_ATTEST_CHALLENGE,
// E_ATTEST_TEMPLATE, E_TPM_AUTH, E_TPM_PASSWORD and E_TPM_LOCKOUT (hierarchy.h), and those of
// measure() in mode Require.
Result<ipc::Attested> attest(const ipc::MeasureJob& job, FdRef directory, Fd device,
                             const Passwords& passwords);

}  // namespace airlock::tpm
