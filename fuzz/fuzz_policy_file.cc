// SPDX-License-Identifier: Apache-2.0
// The administrator's policy is trusted, and read by root: a damaged file must be refused, never
// misread.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "policy/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  airlock::policy::Policy policy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(airlock::policy::parsePolicy(text, "fuzz.policy", policy));
  return 0;
}
