// SPDX-License-Identifier: Apache-2.0
// TPM2_Quote, and the registers' values that were quoted.  The measuring process only.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ipc/attest_messages.h"
#include "tpm/connection.h"
#include "tpm/hash.h"

namespace airlock::tpm {

// By bank and register.
using RegisterValues = std::map<std::pair<std::uint16_t, std::uint32_t>, Bytes>;

struct Quote {
  std::string attest;     // TPMS_ATTEST
  std::string signature;  // TPMT_SIGNATURE
  RegisterValues values;  // whose digest is in `attest`
};

// What is to be quoted, and can be.  `asked` empty: registers 0 to 15 of the SHA-256 bank, or of
// the first that is not SHA-1.  Register `ours` is added in each of `banks`.  E_ATTEST_SELECTION
// for a register that the TPM has not in that bank.
Result<TPML_PCR_SELECTION> selectRegisters(Connection& connection,
                                           const std::vector<ipc::PcrSelection>& asked,
                                           std::uint32_t ours,
                                           const std::vector<std::uint16_t>& banks);

// A quote by the key at `handle`, which signs with SHA-256.  Tried again when a register changed
// between quoting and reading; E_ATTEST_BUSY when that does not end.
Result<Quote> quote(Connection& connection, TPM2_HANDLE handle, std::string_view nonce,
                    const TPML_PCR_SELECTION& selection);

// {"sha256":{"0":"<hex>",…},…}, canonical.
std::string valuesJson(const RegisterValues& values);

}  // namespace airlock::tpm
