// SPDX-License-Identifier: Apache-2.0
#include "audit/segment.h"

#include <array>
#include <cstdio>

namespace airlock::audit {

namespace {
constexpr std::string_view kPrefix = "record-";
constexpr std::string_view kSuffix = ".jsonl";
constexpr std::size_t kDigits = 12;
}  // namespace

std::string segmentName(std::uint64_t first) {
  std::array<char, 24> digits;
  std::snprintf(digits.data(), digits.size(), "%0*llu", static_cast<int>(kDigits),
                static_cast<unsigned long long>(first));
  return std::string(kPrefix) + digits.data() + std::string(kSuffix);
}

std::optional<std::uint64_t> firstOfSegment(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffix.size());
  if (name.size() != kDigits) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

}  // namespace airlock::audit
