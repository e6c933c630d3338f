// SPDX-License-Identifier: Apache-2.0
// Reads numbers and runs of bytes from the front of a text, never beyond its end.  airlock-attest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "attest/refusal.h"

namespace airlock::attest {

class Cursor {
 public:
  // `code` is that of the refusal when something is cut short.
  Cursor(std::string_view bytes, std::string_view code) : rest_(bytes), code_(code) {}

  bool empty() const { return rest_.empty(); }
  std::string_view code() const { return code_; }

  Result<std::string_view> take(std::size_t size) {
    if (size > rest_.size()) return refuseEvidence(code_, "the firmware's log was cut short");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  Result<std::uint8_t> byte() { return number<std::uint8_t>(); }
  Result<std::uint16_t> little16() { return number<std::uint16_t>(); }
  Result<std::uint32_t> little32() { return number<std::uint32_t>(); }
  Result<std::uint64_t> little64() { return number<std::uint64_t>(); }

 private:
  template <class Number>
  Result<Number> number() {
    const std::string_view bytes = TRY(take(sizeof(Number)));
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return static_cast<Number>(value);
  }

  std::string_view rest_;
  std::string_view code_;
};

}  // namespace airlock::attest
