// SPDX-License-Identifier: Apache-2.0
// The structures of TPM 2.0 (Library specification, Part 2) that evidence has, strictly: what
// tss2-mu reads must be written back as the same bytes.  airlock-attest.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tpm/hash.h"

namespace airlock::attest {

// The registers of one bank.
struct Selection {
  std::uint16_t bank = 0;
  std::set<std::uint32_t> registers;
};

// TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE.
struct Quote {
  std::string nonce;                  // extraData
  std::vector<Selection> selections;  // in the order in which their values are hashed
  std::string registersDigest;
  std::string qualifiedSigner;  // TPM2B_NAME: hash algorithm and digest
  std::uint64_t clock = 0;      // milliseconds that the TPM was powered
  std::uint32_t resets = 0;
  std::uint32_t restarts = 0;
  bool safe = false;  // the clock has not run backwards (Part 1, "Safe")
  std::uint64_t firmwareVersion = 0;
};
// E_ATTEST_MAGIC, E_ATTEST_TYPE, E_ATTEST_STRUCTURE.  `trailing` counts the bytes after the
// structure: its check has a place of its own.
Result<Quote> parseQuote(std::string_view bytes, std::size_t& trailing);

// TPMT_SIGNATURE with the only two schemes that we believe: ECDSA and RSASSA, over SHA-256.
struct Signature {
  enum class Scheme : std::uint8_t { Ecdsa, Rsassa };
  Scheme scheme = Scheme::Ecdsa;
  std::string first;   // r, or the whole signature
  std::string second;  // s
};
// E_ATTEST_SCHEME, E_ATTEST_STRUCTURE.
Result<Signature> parseSignature(std::string_view bytes);

// TPM2B_PUBLIC.
struct PublicArea {
  enum class Kind : std::uint8_t { EccP256, Rsa, Other };
  Kind kind = Kind::Other;
  std::string first;           // x, or the modulus
  std::string second;          // y
  std::uint32_t exponent = 0;  // of an RSA key
  bool restricted = false;
  bool signs = false;
  bool decrypts = false;
  bool fixedToTpm = false;
  bool fixedToParent = false;
  bool madeByTpm = false;    // sensitiveDataOrigin
  bool signsSha256 = false;  // its scheme: ECDSA or RSASSA, with SHA-256
  bool wrapsAes128 = false;  // its symmetric algorithm: AES-128-CFB
  std::uint16_t nameHash = 0;
  std::string name;  // TPM2B_NAME's content: algorithm, digest of the TPMT_PUBLIC
};
// E_ATTEST_STRUCTURE
Result<PublicArea> parsePublicArea(std::string_view bytes);

}  // namespace airlock::attest
