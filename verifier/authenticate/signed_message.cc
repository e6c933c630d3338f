// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/signed_message.h"

#include <isa-l/igzip_lib.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "base/limits.h"

namespace airlock::verifier {

namespace {

// RFC 4880 section 4.3.
enum Tag : std::uint8_t { kSignature = 2, kOnePass = 4, kCompressed = 8, kLiteral = 11 };

std::unexpected<Error> notAMessage(std::string why) {
  return refuse(ErrorKind::Invalid, "E_SIG_KIND", "not an OpenPGP signed message: " + why);
}

std::uint8_t octet(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::optional<std::string_view> take(std::string_view& bytes, std::size_t count) {
  if (count > bytes.size()) return std::nullopt;
  const std::string_view front = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return front;
}

std::optional<std::size_t> takeNumber(std::string_view& bytes, std::size_t octets) {
  const auto field = take(bytes, octets);
  if (!field) return std::nullopt;
  std::size_t value = 0;
  for (std::size_t at = 0; at < octets; ++at) value = value << 8 | octet(*field, at);
  return value;
}

struct Packet {
  std::uint8_t tag = 0;
  std::string body;
};

// Section 4.2.2, with partial lengths: a program that signs a stream does not know how long it is.
bool takeParts(std::string_view& bytes, std::string& body) {
  for (;;) {
    const auto first = takeNumber(bytes, 1);
    if (!first) return false;
    bool last = true;
    std::optional<std::size_t> length = *first;
    if (*first == 255) {
      length = takeNumber(bytes, 4);
    } else if (*first >= 224) {
      length = std::size_t{1} << (*first & 0x1F);
      last = false;
    } else if (*first >= 192) {
      const auto second = takeNumber(bytes, 1);
      length = second ? std::optional((*first - 192) * 256 + *second + 192) : std::nullopt;
    }
    const auto part = length ? take(bytes, *length) : std::nullopt;
    if (!part) return false;
    body += *part;
    if (last) return true;
  }
}

std::optional<Packet> takePacket(std::string_view& bytes) {
  const auto header = takeNumber(bytes, 1);
  if (!header || (*header & 0x80) == 0) return std::nullopt;
  Packet packet;
  if ((*header & 0x40) != 0) {
    packet.tag = static_cast<std::uint8_t>(*header & 0x3F);
    if (!takeParts(bytes, packet.body)) return std::nullopt;
    return packet;
  }
  packet.tag = static_cast<std::uint8_t>(*header >> 2 & 0x0F);
  // Section 4.2.1: a compressed packet ends where the file does.
  const std::size_t kind = *header & 3;
  const auto length =
      kind == 3 ? std::optional(bytes.size()) : takeNumber(bytes, std::size_t{1} << kind);
  const auto body = length ? take(bytes, *length) : std::nullopt;
  if (!body) return std::nullopt;
  packet.body = *body;
  return packet;
}

// Section 5.6: an octet for the algorithm, then raw DEFLATE (1) or zlib (2).
Result<std::string> inflateBody(std::string_view body) {
  if (body.empty()) return notAMessage("its compressed packet is empty");
  const std::uint8_t algorithm = octet(body, 0);
  if (algorithm != 1 && algorithm != 2)
    return notAMessage("it is compressed by algorithm " + std::to_string(algorithm));
  body.remove_prefix(1);
  const auto state = std::make_unique<inflate_state>();
  ::isal_inflate_init(state.get());
  state->crc_flag = algorithm == 1 ? ISAL_DEFLATE : ISAL_ZLIB;
  state->next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(body.data()));
  state->avail_in = static_cast<std::uint32_t>(body.size());
  // One byte more than may come: that one says that there was more.
  std::string out(2 * limits::kSignatureBytes + 1, '\0');
  state->next_out = reinterpret_cast<std::uint8_t*>(out.data());
  state->avail_out = static_cast<std::uint32_t>(out.size());
  if (::isal_inflate(state.get()) != ISAL_DECOMP_OK || state->block_state != ISAL_BLOCK_FINISH ||
      state->avail_in != 0) {
    return notAMessage("its compressed data are damaged, or too long");
  }
  out.resize(out.size() - state->avail_out);
  return out;
}

// Section 5.9: mode, file name, date, content.
Result<std::string> contentOf(std::string_view literal) {
  const auto mode = take(literal, 1);
  const auto nameLength = mode ? takeNumber(literal, 1) : std::nullopt;
  if (!nameLength || !take(literal, *nameLength) || !take(literal, 4))
    return notAMessage("its literal data are cut short");
  if (*mode != "b") return notAMessage("its content is not binary");
  if (literal.size() > limits::kSignatureBytes) return notAMessage("its content is too large");
  return std::string(literal);
}

// Section 5.4: version 3, the type, …, and whether it is the last of its kind.
bool isPlainOnePass(std::string_view body) {
  return body.size() == 13 && octet(body, 0) == 3 && octet(body, 1) == 0x00 && octet(body, 12) == 1;
}

}  // namespace

Result<SignedMessage> parseSignedMessage(std::string_view file) {
  if (file.size() > limits::kSignatureBytes) return notAMessage("it is too large");
  if (file.starts_with("-----")) return notAMessage("it is text, where packets should be");
  std::string inflated;
  std::string_view bytes = file;
  auto packet = takePacket(bytes);
  if (packet && packet->tag == kCompressed) {
    if (!bytes.empty()) return notAMessage("something follows its compressed packet");
    inflated = TRY(inflateBody(packet->body));
    bytes = inflated;
    packet = takePacket(bytes);
  }
  if (!packet || packet->tag != kOnePass || !isPlainOnePass(packet->body))
    return notAMessage("it does not begin with a one-pass signature of a binary document");
  const auto literal = takePacket(bytes);
  if (!literal || literal->tag != kLiteral)
    return notAMessage("no literal data follow, or a second signature does");
  const auto signature = takePacket(bytes);
  if (!signature || signature->tag != kSignature || !bytes.empty())
    return notAMessage("it does not end with its one signature");
  return SignedMessage{.signature = TRY(parseSignatureBody(signature->body)),
                       .content = TRY(contentOf(literal->body))};
}

}  // namespace airlock::verifier
