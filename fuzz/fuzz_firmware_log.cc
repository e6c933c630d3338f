// SPDX-License-Identifier: Apache-2.0
// The firmware's event log: whatever it holds is a log or a refusal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attest/firmware_log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock::attest;  // NOLINT: one program, one subject
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto log = readFirmwareLog(bytes);
  if (!log) {
    if (log.error().code() != "E_ATTEST_FIRMWARE") std::abort();
    return 0;
  }
  for (const auto& [bank, registers] : log->registers) {
    for (const auto& [index, value] : registers) {
      if (index > 23 || value.size() != airlock::tpm::findHash(bank)->bytes) std::abort();
    }
  }
  static_cast<void>(commandLineOf(*log, "root=/dev/vda1 quiet\n"));
  static_cast<void>(startedPrograms(*log));
  return 0;
}
