// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/armor.h"

#include <sodium.h>

#include <algorithm>
#include <cstdint>

namespace airlock::verifier {

namespace {

std::unexpected<Error> malformed(std::string why) {
  return fail(ErrorKind::Invalid, std::move(why));
}

bool isBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool isPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

std::string_view trimRight(std::string_view line) {
  while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
  return line;
}

// RFC 4880 section 6.1.
std::uint32_t crc24(std::string_view bytes) {
  std::uint32_t crc = 0xB704CE;
  for (const char byte : bytes) {
    crc ^= static_cast<std::uint32_t>(static_cast<std::uint8_t>(byte)) << 16;
    for (int bit = 0; bit < 8; ++bit) {
      crc <<= 1;
      if ((crc & 0x1000000) != 0) crc ^= 0x1864CFB;
    }
  }
  return crc & 0xFFFFFF;
}

}  // namespace

std::string_view takeLine(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Result<std::string> readBase64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  std::size_t length = 0;
  const char* end = nullptr;
  // Refuses white space, missing padding and unused bits that are not zero.
  if (::sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                          text.size(), nullptr, &length, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text.data() + text.size()) {
    return malformed("its base64 is malformed");
  }
  bytes.resize(length);
  return bytes;
}

Result<std::string> readArmor(std::string_view text, std::string_view kind) {
  const std::string begin = "-----BEGIN " + std::string(kind) + "-----";
  const std::string finish = "-----END " + std::string(kind) + "-----";
  std::string_view line;
  do {
    if (text.empty()) return malformed("no \"" + begin + "\" line");
    line = trimRight(takeLine(text));
  } while (isBlank(line));
  if (line != begin) return malformed("its first line is not \"" + begin + "\"");
  while (!isBlank(line = takeLine(text))) {
    if (!isPrintable(line) || line.find(": ") == std::string_view::npos) {
      return malformed("a line of its armor header is not \"Key: value\"");
    }
    if (text.empty()) break;
  }
  std::string base64;
  std::string_view checksum;
  for (;;) {
    if (text.empty()) return malformed("no \"" + finish + "\" line");
    line = trimRight(takeLine(text));
    if (line == finish) break;
    if (!checksum.empty()) return malformed("text between the checksum and the end of the armor");
    if (line.starts_with('=') && line.size() == 5) {
      checksum = line.substr(1);
    } else {
      base64 += line;
    }
  }
  if (!isBlank(text)) return malformed("text after the end of the armor");
  std::string bytes = TRY(readBase64(base64));
  if (!checksum.empty()) {
    const std::string sum = TRY(readBase64(checksum));
    std::uint32_t expected = 0;
    for (const char byte : sum) expected = expected << 8 | static_cast<std::uint8_t>(byte);
    if (sum.size() != 3 || expected != crc24(bytes))
      return malformed("its armor checksum is wrong");
  }
  return bytes;
}

}  // namespace airlock::verifier
