// SPDX-License-Identifier: Apache-2.0
// What the files of the audit record are called, and how a torn line ends.  Its writer and its
// reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace airlock::audit {

// The byte before the newline of a line that a crash has torn: no other line has it.
inline constexpr char kTorn = '\x18';  // CAN: what is before it is to be disregarded

// "record-000000000017.jsonl" begins with line 17.
std::string segmentName(std::uint64_t first);
std::optional<std::uint64_t> firstOfSegment(std::string_view name);

}  // namespace airlock::audit
