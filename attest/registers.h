// SPDX-License-Identifier: Apache-2.0
// The values of the registers that were quoted: evidence's file `pcrs`.  airlock-attest.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "attest/firmware_log.h"
#include "attest/structures.h"
#include "base/result.h"
#include "tpm/hash.h"

namespace airlock::attest {

// By bank, by register.
using Registers = std::map<std::uint16_t, std::map<std::uint32_t, tpm::Bytes>>;

// Canonical JSON: {"sha256":{"0":"<hex>",…},…}.  E_ATTEST_PCRS
Result<Registers> parseRegisters(std::string_view text);
// Exactly the registers that were quoted, no more and no fewer.  E_ATTEST_SELECTION
Result<void> expectSelected(const Registers& registers, const std::vector<Selection>& selections);
// SHA-256 of all values, in the order of the selection (Part 3, TPM2_Quote).  Every value is there.
tpm::Bytes quotedDigest(const Registers& registers, const std::vector<Selection>& selections);

// How many of the quoted registers the firmware's log leads to, those that it and the boot loader
// extend; `ours` is none of them.  E_ATTEST_FIRMWARE
Result<std::size_t> compareFirmware(const FirmwareLog& log, const Registers& registers,
                                    std::uint32_t ours);

// For people.
std::string bankName(std::uint16_t bank);

}  // namespace airlock::attest
