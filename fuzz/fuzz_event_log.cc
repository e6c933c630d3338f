// SPDX-License-Identifier: Apache-2.0
// The measurement log's reader: what it accepts must be, byte for byte, what we would have written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tpm/replay.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto replay = airlock::tpm::replayText(text);
  if (!replay) {
    if (replay.error().code() != "E_TPM_LOG") std::abort();
    return 0;
  }
  std::string again;
  for (const airlock::tpm::Record& record : replay->records) {
    again += airlock::tpm::encodeRecord(record);
    static_cast<void>(airlock::tpm::summarize(record.event));
  }
  if (again != text) std::abort();
  return 0;
}
