// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/packets.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/digest.h"
#include "base/limits.h"
#include "verifier/authenticate/armor.h"

namespace airlock::verifier {

namespace {

// RFC 4880 section 4.3.
enum Tag : std::uint8_t {
  kSignature = 2,
  kSecretKey = 5,
  kPublicKey = 6,
  kSecretSubkey = 7,
  kTrust = 12,
  kUserId = 13,
  kPublicSubkey = 14,
  kUserAttribute = 17,
};

// RFC 4880 section 5.2.3.1, and 33 (issuer fingerprint) from RFC 9580 section 5.2.3.35.
enum Subpacket : std::uint8_t {
  kCreationTime = 2,
  kExpirationTime = 3,
  kIssuerKeyId = 16,
  kIssuerFingerprint = 33,
};

constexpr std::uint8_t kVersion4 = 4;
constexpr std::uint8_t kBinaryDocument = 0x00;

std::unexpected<Error> notASignature(std::string why) {
  return refuse(ErrorKind::Invalid, "E_SIG_KIND", "not a detached signature: " + why,
                "Make one with: gpg --armor --detach-sign IMAGE");
}
std::unexpected<Error> notAKey(std::string why) {
  return refuse(ErrorKind::Invalid, "E_KEY", "not one public key: " + why,
                "Write it with: gpg --armor --export FINGERPRINT");
}

std::uint8_t octet(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint64_t bigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) value = value << 8 | octet(bytes, at);
  return value;
}

// Takes `count` bytes off the front.
std::optional<std::string_view> take(std::string_view& bytes, std::uint64_t count) {
  if (count > bytes.size()) return std::nullopt;
  const std::string_view front = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return front;
}

// The length after a new-format tag or before a subpacket; those two differ only in what 224..254
// mean.
std::optional<std::uint64_t> takeLength(std::string_view& bytes, std::uint8_t lastTwoOctet) {
  const auto first = take(bytes, 1);
  if (!first) return std::nullopt;
  const std::uint8_t one = octet(*first, 0);
  if (one < 192) return one;
  if (one == 255) {
    const auto four = take(bytes, 4);
    return four ? std::optional(bigEndian(*four)) : std::nullopt;
  }
  if (one > lastTwoOctet) return std::nullopt;  // a partial length: never in a key or signature
  const auto second = take(bytes, 1);
  if (!second) return std::nullopt;
  return (static_cast<std::uint64_t>(one - 192) << 8) + octet(*second, 0) + 192;
}

struct Packet {
  std::uint8_t tag;
  std::string_view body;
};

// RFC 4880 section 4.2; nullopt for what is no packet of known length.
std::optional<Packet> takePacket(std::string_view& bytes) {
  const auto header = take(bytes, 1);
  if (!header || (octet(*header, 0) & 0x80) == 0) return std::nullopt;
  const std::uint8_t first = octet(*header, 0);
  std::uint8_t tag;
  std::optional<std::uint64_t> length;
  if ((first & 0x40) != 0) {
    tag = first & 0x3F;
    length = takeLength(bytes, 223);
  } else {
    tag = (first >> 2) & 0x0F;
    if ((first & 3) == 3) return std::nullopt;  // indeterminate length
    const auto field = take(bytes, std::size_t{1} << (first & 3));
    if (field) length = bigEndian(*field);
  }
  if (!length) return std::nullopt;
  const auto body = take(bytes, *length);
  if (!body) return std::nullopt;
  return Packet{tag, *body};
}

// Reads the subpackets of one area into `result`; false when their lengths do not add up.
bool readSubpackets(std::string_view area, bool hashed, SignaturePacket& result) {
  while (!area.empty()) {
    const auto length = takeLength(area, 254);
    if (!length || *length == 0) return false;
    auto content = take(area, *length);
    if (!content) return false;
    const bool critical = (octet(*content, 0) & 0x80) != 0;
    const std::uint8_t type = octet(*content, 0) & 0x7F;
    content->remove_prefix(1);
    switch (type) {
      case kCreationTime:
        if (content->size() != 4) return false;
        if (hashed) result.created = static_cast<std::int64_t>(bigEndian(*content));
        break;
      case kExpirationTime:
        if (content->size() != 4) return false;
        break;
      case kIssuerKeyId:
        if (content->size() != 8) return false;
        if (result.issuer.empty()) {
          result.issuer =
              toHex(std::span(reinterpret_cast<const std::uint8_t*>(content->data()), 8));
        }
        break;
      case kIssuerFingerprint:
        if (content->size() != 21 || octet(*content, 0) != kVersion4) return false;
        result.issuer =
            toHex(std::span(reinterpret_cast<const std::uint8_t*>(content->data()) + 1, 20));
        break;
      default:  // not an enum: any of 128 numbers
        if (critical) result.unknownCritical = true;
    }
  }
  return true;
}

}  // namespace

Result<SignaturePacket> parseSignatureBody(std::string_view body) {
  std::string_view rest = body;
  const auto fixed = take(rest, 4);
  if (!fixed || octet(*fixed, 0) != kVersion4) {
    return notASignature("a signature packet is not version 4");
  }
  if (octet(*fixed, 1) != kBinaryDocument) {
    return notASignature("its type is not \"binary document\"");
  }
  SignaturePacket result;
  result.body = body;
  result.publicKeyAlgorithm = octet(*fixed, 2);
  result.hashAlgorithm = octet(*fixed, 3);
  for (const bool hashed : {true, false}) {
    const auto length = take(rest, 2);
    const auto area = length ? take(rest, bigEndian(*length)) : std::nullopt;
    if (!area || !readSubpackets(*area, hashed, result)) {
      return notASignature("the subpackets of a signature are malformed");
    }
  }
  // Two octets of the digest and at least one number.
  if (rest.size() < 5) return notASignature("a signature packet is too short");
  return result;
}

Result<std::vector<SignaturePacket>> parseSignatureFile(std::string_view file) {
  if (file.size() > limits::kSignatureBytes) return notASignature("the file is too large");
  if (file.empty()) return notASignature("the file is empty");
  std::string dearmored;
  std::string_view packets = file;
  if ((octet(file, 0) & 0x80) == 0) {
    auto block = readArmor(file, "PGP SIGNATURE");
    if (!block) return notASignature(block.error().message());
    dearmored = std::move(*block);
    packets = dearmored;
  }
  std::vector<SignaturePacket> result;
  std::size_t count = 0;
  while (!packets.empty()) {
    const auto packet = takePacket(packets);
    if (!packet) return notASignature("it holds something that is no OpenPGP packet");
    if (packet->tag != kSignature) {
      return notASignature("it holds a packet that is no signature (tag " +
                           std::to_string(packet->tag) + ")");
    }
    if (++count > limits::kSignatures) {
      return notASignature("more than " + std::to_string(limits::kSignatures) + " signatures");
    }
    SignaturePacket signature = TRY(parseSignatureBody(packet->body));
    if (std::ranges::find(result, signature.body, &SignaturePacket::body) == result.end()) {
      result.push_back(std::move(signature));
    }
  }
  if (result.empty()) return notASignature("it holds no signature");
  return result;
}

std::string serialize(const SignaturePacket& packet) {
  // 0x89: old format, tag 2, two-octet length; a body is never longer than limits::kSignatureBytes
  // - 1.
  std::string bytes = "\x89";
  bytes += static_cast<char>(packet.body.size() >> 8);
  bytes += static_cast<char>(packet.body.size() & 0xFF);
  return bytes + packet.body;
}

std::string hashName(std::uint8_t algorithm) {
  struct Name {
    std::uint8_t number;
    const char* text;
  };
  static constexpr std::array<Name, 9> kNames{{{1, "MD5"},
                                               {2, "SHA1"},
                                               {3, "RIPEMD160"},
                                               {8, "SHA256"},
                                               {9, "SHA384"},
                                               {10, "SHA512"},
                                               {11, "SHA224"},
                                               {12, "SHA3-256"},
                                               {14, "SHA3-512"}}};
  const auto* found = std::ranges::find(kNames, algorithm, &Name::number);
  return found == kNames.end() ? "hash " + std::to_string(algorithm) : found->text;
}

Result<std::string> parseKeyFile(std::string_view file) {
  if (file.size() > limits::kKeyFileBytes) return notAKey("the file is too large");
  if (file.empty()) return notAKey("the file is empty");
  std::string result(file);
  if ((octet(file, 0) & 0x80) == 0) {
    if (file.find("-----BEGIN PGP PRIVATE KEY BLOCK-----") != std::string_view::npos) {
      return notAKey("it is a secret key");
    }
    auto block = readArmor(file, "PGP PUBLIC KEY BLOCK");
    if (!block) return notAKey(block.error().message());
    result = std::move(*block);
  }
  std::string_view packets = result;
  bool primary = false;
  while (!packets.empty()) {
    const auto packet = takePacket(packets);
    if (!packet) return notAKey("it holds something that is no OpenPGP packet");
    if (packet->tag == kSecretKey || packet->tag == kSecretSubkey) {
      return notAKey("it holds a secret key");
    }
    if (packet->tag == kPublicKey) {
      if (primary) return notAKey("it holds several primary keys");
      primary = true;
      if (packet->body.empty() || octet(packet->body, 0) != kVersion4) {
        return notAKey("its version is not 4");
      }
      continue;
    }
    const bool part = packet->tag == kSignature || packet->tag == kTrust ||
                      packet->tag == kUserId || packet->tag == kPublicSubkey ||
                      packet->tag == kUserAttribute;
    if (!part) {
      return notAKey("it holds a packet that belongs to no key (tag " +
                     std::to_string(packet->tag) + ")");
    }
    if (!primary) return notAKey("it does not begin with a primary key");
  }
  if (!primary) return notAKey("it holds no key");
  return result;
}

}  // namespace airlock::verifier
