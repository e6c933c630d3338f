// SPDX-License-Identifier: Apache-2.0
// The audit record's reader: what it accepts is the only spelling of what it says, and what shows
// it to people takes all of it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "audit/log.h"
#include "cli/audit_lines.h"
#include "cli/audit_report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace audit = airlock::audit;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<audit::Line> lines;
  const auto chain = audit::readLines(text, [&](const audit::Line& line) -> airlock::Result<void> {
    if (!line.torn && line.fields.dump(-1, ' ', true) != line.text) std::abort();
    lines.push_back(line);
    return {};
  });
  if (!chain && chain.error().code() != "E_AUDIT_LOG") std::abort();
  for (const audit::Line& line : lines) {
    // No byte of a record reaches a terminal as it is.
    const std::string shown = airlock::cli::explainLine(line);
    const auto isControl = [](char c) {
      return (static_cast<unsigned char>(c) < ' ' && c != '\n') || c == '\x7f';
    };
    if (std::ranges::any_of(shown, isControl)) std::abort();
    for (const auto& field : airlock::cli::auditFields()) static_cast<void>(field.value(line));
  }
  const std::string page =
      airlock::cli::auditReport({.host = "h", .made = "m", .range = ""}, lines);
  if (page.find("<script") != page.npos) std::abort();
  return 0;
}
