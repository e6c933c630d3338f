// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include <cstdint>

namespace airlock {

namespace {

// Length of the valid UTF-8 sequence at the front of `text` (RFC 3629), 0 when there is none.
std::size_t utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef && continues(1) && continues(2)) {
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4 && continues(1) && continues(2) && continues(3)) {
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

// Characters that show nothing and change what is shown beside them: marks and overrides of
// direction, separators of lines, joiners and spaces of no width (U+061C, U+200B to U+200F, U+2028
// to U+202E, U+2060 to U+206F, U+FEFF).  `text` begins with a valid sequence of that length.
bool changesOthers(std::string_view text, std::size_t length) {
  const std::string_view sequence = text.substr(0, length);
  const auto within = [&](std::string_view first, std::string_view last) {
    return sequence >= first && sequence <= last;
  };
  return sequence == "\xd8\x9c" || within("\xe2\x80\x8b", "\xe2\x80\x8f") ||
         within("\xe2\x80\xa8", "\xe2\x80\xae") || within("\xe2\x81\xa0", "\xe2\x81\xaf") ||
         sequence == "\xef\xbb\xbf";
}

std::string escape(std::string_view text, std::string_view alsoEscape) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    const auto code = static_cast<std::uint8_t>(c);
    const std::size_t length = utf8Length(text);
    const bool control = code < 0x20 || code == 0x7f ||
                         (length == 2 && code == 0xc2 && static_cast<std::uint8_t>(text[1]) < 0xa0);
    if (length == 0 || control || changesOthers(text, length)) {
      // The bytes behind the first one begin no sequence, and follow it here.
      out += "\\x";
      out += hex[code >> 4];
      out += hex[code & 15];
      text.remove_prefix(1);
    } else if (alsoEscape.contains(c)) {
      out += '\\';
      out += c;
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace

std::string quoted(std::string_view untrusted) {
  constexpr std::size_t most = 256;
  std::string out = "\"" + escape(untrusted.substr(0, most), "\"\\");
  return out + (untrusted.size() > most ? "…\"" : "\"");
}

std::string printable(std::string_view untrusted) { return escape(untrusted, ""); }

bool isUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void log(LogLevel level, std::string_view process, std::string_view message) {
  std::string line = "level=";
  switch (level) {
    case LogLevel::Info:
      line += "info";
      break;
    case LogLevel::Warn:
      line += "warn";
      break;
    case LogLevel::Error:
      line += "error";
      break;
  }
  line += " proc=" + std::string(process) + " msg=\"" + escape(message, "\"") + "\"\n";
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

}  // namespace airlock
