// SPDX-License-Identifier: Apache-2.0
// The hash algorithms of PCR banks and the arithmetic of a register.  The measuring process and the
// log's reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace airlock::tpm {

struct HashAlgorithm {
  std::uint16_t id;       // TPM_ALG_ID (TCG Algorithm Registry)
  std::string_view name;  // as CEL-JSON and tpm2-tools write it
  std::size_t bytes;
};
// nullptr: not one that we can compute.
const HashAlgorithm* findHash(std::uint16_t id);
const HashAlgorithm* findHash(std::string_view name);

inline constexpr std::uint16_t kSha1 = 0x0004;
inline constexpr std::uint16_t kSha256 = 0x000b;
inline constexpr std::uint16_t kSha384 = 0x000c;
inline constexpr std::uint16_t kSha512 = 0x000d;
inline constexpr std::uint16_t kSm3 = 0x0012;

using Bytes = std::vector<std::uint8_t>;
// `algorithm` is one that findHash() knows.
Bytes hash(std::uint16_t algorithm, std::span<const std::uint8_t> bytes);
Bytes hash(std::uint16_t algorithm, std::string_view bytes);

// One bank's digest of an event, or one bank's register.
struct BankValue {
  std::uint16_t algorithm = 0;
  Bytes value;
  bool operator==(const BankValue&) const = default;
};
// One per bank, in ascending order of the algorithm's id.
using Banks = std::vector<BankValue>;

// What a register holds after start-up.
Banks zeroed(const Banks& shape);
bool isZero(const Banks& banks);
// The digest of `bytes` in every bank of `shape`.
Banks digests(const Banks& shape, std::string_view bytes);
// PCR_Extend: H(before || digest) for each bank.  Both have the same banks.
Banks extended(const Banks& before, const Banks& digests);
bool sameShape(const Banks& one, const Banks& other);

}  // namespace airlock::tpm
