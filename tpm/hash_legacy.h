// SPDX-License-Identifier: Apache-2.0
// SHA-1 and SM3: banks that some TPMs have active beside SHA-256 and that must not be left
// unextended (M07). hash.cc only; nothing is ever trusted because of a SHA-1 bank.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace airlock::tpm {

std::vector<std::uint8_t> sha1(std::span<const std::uint8_t> bytes);  // FIPS 180-4, 6.1
std::vector<std::uint8_t> sm3(std::span<const std::uint8_t> bytes);   // GB/T 32905-2016

}  // namespace airlock::tpm
