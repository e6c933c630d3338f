// SPDX-License-Identifier: Apache-2.0
#include "verifier/erofs_format.h"

namespace airlock::verifier::erofs {

std::uint32_t crc32c(std::span<const std::uint8_t> bytes) {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
  }
  return crc;
}

}  // namespace airlock::verifier::erofs
