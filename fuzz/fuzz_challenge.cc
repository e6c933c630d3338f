// SPDX-License-Identifier: Apache-2.0
// Any bytes as WWW-Authenticate headers, one per line: a bounded number of challenges, each with a
// scheme, and names and schemes in lower case.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "unpriv-fetch/challenge.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> headers;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    headers.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(rest.size(), end + 1));
  }
  const auto isUpper = [](unsigned char c) { return std::isupper(c) != 0; };
  const auto challenges = fetch::parseChallenges(headers);
  if (challenges.size() > limits::kChallenges) std::abort();
  for (const fetch::Challenge& challenge : challenges) {
    if (challenge.scheme.empty() || std::ranges::any_of(challenge.scheme, isUpper)) std::abort();
    for (const auto& [name, value] : challenge.parameters) {
      if (name.empty() || std::ranges::any_of(name, isUpper)) std::abort();
      if (challenge.parameter(name) != value) std::abort();
    }
  }
  return 0;
}
