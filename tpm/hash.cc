// SPDX-License-Identifier: Apache-2.0
#include "tpm/hash.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/crypto_hash_sha512.h>

#include <algorithm>
#include <array>

#include "tpm/hash_legacy.h"

namespace airlock::tpm {

namespace {

constexpr std::array<HashAlgorithm, 5> kAlgorithms{{{kSha1, "sha1", 20},
                                                    {kSha256, "sha256", 32},
                                                    {kSha384, "sha384", 48},
                                                    {kSha512, "sha512", 64},
                                                    {kSm3, "sm3_256", 32}}};

// SHA-384 is SHA-512 from another initial value, cut to 48 bytes (FIPS 180-4, 5.3.4 and 6.5).
constexpr std::array<std::uint64_t, 8> kSha384Start{
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};

Bytes sha384(std::span<const std::uint8_t> bytes) {
  crypto_hash_sha512_state state;
  crypto_hash_sha512_init(&state);
  std::ranges::copy(kSha384Start, state.state);
  crypto_hash_sha512_update(&state, bytes.data(), bytes.size());
  Bytes result(crypto_hash_sha512_BYTES);
  crypto_hash_sha512_final(&state, result.data());
  result.resize(48);
  return result;
}

}  // namespace

const HashAlgorithm* findHash(std::uint16_t id) {
  const auto found = std::ranges::find(kAlgorithms, id, &HashAlgorithm::id);
  return found == kAlgorithms.end() ? nullptr : &*found;
}

const HashAlgorithm* findHash(std::string_view name) {
  const auto found = std::ranges::find(kAlgorithms, name, &HashAlgorithm::name);
  return found == kAlgorithms.end() ? nullptr : &*found;
}

Bytes hash(std::uint16_t algorithm, std::span<const std::uint8_t> bytes) {
  switch (algorithm) {
    case kSha1:
      return sha1(bytes);
    case kSha384:
      return sha384(bytes);
    case kSm3:
      return sm3(bytes);
    case kSha512: {
      Bytes result(crypto_hash_sha512_BYTES);
      crypto_hash_sha512(result.data(), bytes.data(), bytes.size());
      return result;
    }
    case kSha256: {
      Bytes result(crypto_hash_sha256_BYTES);
      crypto_hash_sha256(result.data(), bytes.data(), bytes.size());
      return result;
    }
  }
  return {};
}

Bytes hash(std::uint16_t algorithm, std::string_view bytes) {
  return hash(algorithm,
              std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

Banks zeroed(const Banks& shape) {
  Banks result = shape;
  for (BankValue& bank : result) std::ranges::fill(bank.value, std::uint8_t{0});
  return result;
}

bool isZero(const Banks& banks) { return banks == zeroed(banks); }

Banks digests(const Banks& shape, std::string_view bytes) {
  Banks result;
  for (const BankValue& bank : shape) {
    result.push_back({bank.algorithm, hash(bank.algorithm, bytes)});
  }
  return result;
}

Banks extended(const Banks& before, const Banks& digests) {
  Banks result;
  for (std::size_t i = 0; i < before.size(); ++i) {
    Bytes both = before[i].value;
    both.insert(both.end(), digests[i].value.begin(), digests[i].value.end());
    result.push_back({before[i].algorithm, hash(before[i].algorithm, both)});
  }
  return result;
}

bool sameShape(const Banks& one, const Banks& other) {
  return std::ranges::equal(one, other, {}, &BankValue::algorithm, &BankValue::algorithm);
}

}  // namespace airlock::tpm
