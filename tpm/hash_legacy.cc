// SPDX-License-Identifier: Apache-2.0
#include "tpm/hash_legacy.h"

#include <array>
#include <bit>
#include <cstddef>

namespace airlock::tpm {

namespace {

constexpr std::size_t kBlock = 64;
using Words = std::array<std::uint32_t, 16>;

// The padding of both hashes: 0x80, zeros, and the length in bits as 64 bits, big endian.
std::vector<std::uint8_t> padded(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> message(bytes.begin(), bytes.end());
  message.push_back(0x80);
  while (message.size() % kBlock != kBlock - 8) message.push_back(0);
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) {
    message.push_back(static_cast<std::uint8_t>(bits >> shift));
  }
  return message;
}

Words wordsOf(const std::uint8_t* block) {
  Words words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = std::uint32_t{block[4 * i]} << 24 | std::uint32_t{block[4 * i + 1]} << 16 |
               std::uint32_t{block[4 * i + 2]} << 8 | std::uint32_t{block[4 * i + 3]};
  }
  return words;
}

std::vector<std::uint8_t> bytesOf(std::span<const std::uint32_t> words) {
  std::vector<std::uint8_t> bytes;
  for (const std::uint32_t word : words) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  return bytes;
}

void sha1Block(std::array<std::uint32_t, 5>& state, const Words& first) {
  std::array<std::uint32_t, 80> w;
  for (std::size_t t = 0; t < 80; ++t) {
    w[t] = t < 16 ? first[t] : std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (std::size_t t = 0; t < 80; ++t) {
    std::uint32_t f;
    std::uint32_t k;
    if (t < 20) {
      f = (b & c) | (~b & d);
      k = 0x5a827999;
    } else if (t < 40) {
      f = b ^ c ^ d;
      k = 0x6ed9eba1;
    } else if (t < 60) {
      f = (b & c) | (b & d) | (c & d);
      k = 0x8f1bbcdc;
    } else {
      f = b ^ c ^ d;
      k = 0xca62c1d6;
    }
    const std::uint32_t next = std::rotl(a, 5) + f + e + k + w[t];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

std::uint32_t p0(std::uint32_t x) { return x ^ std::rotl(x, 9) ^ std::rotl(x, 17); }
std::uint32_t p1(std::uint32_t x) { return x ^ std::rotl(x, 15) ^ std::rotl(x, 23); }

void sm3Block(std::array<std::uint32_t, 8>& state, const Words& first) {
  std::array<std::uint32_t, 68> w;
  for (std::size_t j = 0; j < 68; ++j) {
    w[j] = j < 16 ? first[j]
                  : p1(w[j - 16] ^ w[j - 9] ^ std::rotl(w[j - 3], 15)) ^ std::rotl(w[j - 13], 7) ^
                        w[j - 6];
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t j = 0; j < 64; ++j) {
    const std::uint32_t t = j < 16 ? 0x79cc4519 : 0x7a879d8a;
    const std::uint32_t ss1 =
        std::rotl(std::rotl(a, 12) + e + std::rotl(t, static_cast<int>(j % 32)), 7);
    const std::uint32_t ss2 = ss1 ^ std::rotl(a, 12);
    const std::uint32_t ff = j < 16 ? (a ^ b ^ c) : ((a & b) | (a & c) | (b & c));
    const std::uint32_t gg = j < 16 ? (e ^ f ^ g) : ((e & f) | (~e & g));
    const std::uint32_t tt1 = ff + d + ss2 + (w[j] ^ w[j + 4]);
    const std::uint32_t tt2 = gg + h + ss1 + w[j];
    d = c;
    c = std::rotl(b, 9);
    b = a;
    a = tt1;
    h = g;
    g = std::rotl(f, 19);
    f = e;
    e = p0(tt2);
  }
  const std::array<std::uint32_t, 8> mixed{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] ^= mixed[i];
}

}  // namespace

std::vector<std::uint8_t> sha1(std::span<const std::uint8_t> bytes) {
  std::array<std::uint32_t, 5> state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const auto message = padded(bytes);
  for (std::size_t at = 0; at < message.size(); at += kBlock) {
    sha1Block(state, wordsOf(message.data() + at));
  }
  return bytesOf(state);
}

std::vector<std::uint8_t> sm3(std::span<const std::uint8_t> bytes) {
  std::array<std::uint32_t, 8> state{0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
                                     0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e};
  const auto message = padded(bytes);
  for (std::size_t at = 0; at < message.size(); at += kBlock) {
    sm3Block(state, wordsOf(message.data() + at));
  }
  return bytesOf(state);
}

}  // namespace airlock::tpm
