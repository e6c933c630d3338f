// SPDX-License-Identifier: Apache-2.0
// Any line in the log of an app: what is read of it is written again as it was, and what a terminal
// gets of it has no control character but TAB.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "cli/app_log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto parsed = cli::parseLogLine(line);
  if (parsed && (parsed->time < 0 || !line.ends_with(parsed->text))) std::abort();
  const std::string shown = cli::forTerminal(line);
  const auto control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  };
  if (std::ranges::any_of(shown, control)) std::abort();
  for (std::size_t i = 0; i + 1 < shown.size(); ++i) {
    const auto next = static_cast<unsigned char>(shown[i + 1]);
    if (static_cast<unsigned char>(shown[i]) == 0xc2 && next >= 0x80 && next < 0xa0) std::abort();
  }
  return 0;
}
