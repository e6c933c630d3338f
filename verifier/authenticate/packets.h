// SPDX-License-Identifier: Apache-2.0
// What may reach GnuPG at all: our own strict reading of signature and key files (RFC 4880 sections
// 3-5 and 6.2). Verifier roles authenticate and inspect-key; fuzzed.
//
// GnuPG accepts clear-signed text, inline messages, junk around armor and thousands of signatures
// where a detached signature was meant (tests S11-S15), and its armor reader has had memory errors
// (CVE-2025-68973).  So armor is undone here, everything but the one expected shape is refused, and
// GnuPG gets canonical binary packets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace airlock::verifier {

// One version 4 signature packet of type 0x00 (binary document).
struct SignaturePacket {
  std::string body;                     // as it was in the file, without the packet header
  std::uint8_t publicKeyAlgorithm = 0;  // RFC 4880 section 9.1
  std::uint8_t hashAlgorithm = 0;       // section 9.4
  std::string issuer;  // fingerprint (40 hex digits) if it is there, else key id (16), else empty
  std::int64_t created = 0;      // seconds since 1970; 0 when not said
  bool unknownCritical = false;  // has a critical subpacket or notation that we do not know (S15)

  auto operator<=>(const SignaturePacket&) const = default;
};

// At most limits::kSignatureBytes with either one armored block, nothing but white space around it,
// or packets alone. Between 1 and limits::kSignatures packets, in order, each kept once (S06).
// E_SIG_KIND when it is anything else.
Result<std::vector<SignaturePacket>> parseSignatureFile(std::string_view file);

// The body of one signature packet.  E_SIG_KIND.
Result<SignaturePacket> parseSignatureBody(std::string_view body);

// The packet for GnuPG: an old-format header with a two-octet length, and the body.
std::string serialize(const SignaturePacket& packet);

// "SHA512" and so on; "hash 42" for one without a name.
std::string hashName(std::uint8_t algorithm);

// One OpenPGP public key with its subkeys, user ids and signatures, as binary packets.  E_KEY for a
// secret key, for more than one primary key, and for everything else.  At most
// limits::kKeyFileBytes.
Result<std::string> parseKeyFile(std::string_view file);

}  // namespace airlock::verifier
