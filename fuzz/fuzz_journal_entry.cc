// SPDX-License-Identifier: Apache-2.0
// A line of `journalctl --output=json`, whose text an app has written.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/journal_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto entry =
      airlock::cli::parseJournalEntry(std::string_view(reinterpret_cast<const char*>(data), size));
  if (entry && (entry->line.time < 0 || entry->line.text.size() > size)) __builtin_trap();
  return 0;
}
