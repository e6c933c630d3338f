// SPDX-License-Identifier: Apache-2.0
#include "audit/json_line.h"

#include <array>
#include <cstdio>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::audit {

namespace {

constexpr std::uint32_t kReplacement = 0xfffd;

std::string escaped(std::uint32_t unit) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "\\u%04x", unit);
  return text.data();
}

// A character of more than one byte at the front of `text`, which is taken off; a byte that begins
// none is taken alone.
std::uint32_t takeCharacter(std::string_view& text) {
  const auto first = static_cast<std::uint8_t>(text.front());
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc0 || text.size() < size || !isUtf8(text.substr(0, size))) {
    text.remove_prefix(1);
    return kReplacement;
  }
  std::uint32_t character = first & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i)
    character = character << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3fU);
  text.remove_prefix(size);
  return character;
}

// The escapes that have a letter of their own (RFC 8259, section 7), as every writer uses them.
const char* shortEscape(char c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return nullptr;
  }
}

template <class Values, class Write>
std::string list(const Values& values, Write write) {
  std::string text = "[";
  for (const auto& value : values) {
    if (text.size() > 1) text += ',';
    text += write(value);
  }
  return text + ']';
}

}  // namespace

std::string jsonText(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const char c = text.front();
    if (const char* known = shortEscape(c)) {
      result += known;
      text.remove_prefix(1);
    } else if (c >= ' ' && c < '\x7f') {
      result += c;
      text.remove_prefix(1);
    } else if (c == '\0') {  // no reader of ours takes one
      result += escaped(kReplacement);
      text.remove_prefix(1);
    } else if (static_cast<std::uint8_t>(c) < 0x80) {
      result += escaped(static_cast<std::uint8_t>(c));
      text.remove_prefix(1);
    } else {
      const std::uint32_t character = takeCharacter(text);
      if (character < 0x10000) {
        result += escaped(character);
      } else {  // a pair of surrogates
        result += escaped(0xd800 + ((character - 0x10000) >> 10));
        result += escaped(0xdc00 + ((character - 0x10000) & 0x3ff));
      }
    }
  }
  return result + '"';
}

std::string withoutSecrets(std::string_view text) {
  std::string kept;
  for (;;) {
    const std::size_t scheme = text.find("://");
    if (scheme == text.npos) break;
    kept += text.substr(0, scheme + 3);
    text.remove_prefix(scheme + 3);
    // Up to the end of the URL; a quote or a bracket ends one in a message.
    std::string_view url = text.substr(0, text.find_first_of(" \t\r\n\"'<>)"));
    text.remove_prefix(url.size());
    // "@" in a path is none of the user's: who one is stands before the first slash.
    const std::size_t user = url.substr(0, url.find_first_of("/?#")).rfind('@');
    if (user != url.npos) url.remove_prefix(user + 1);
    kept += url.substr(0, url.find_first_of("?#"));
  }
  kept += text;
  if (kept.size() > limits::kAuditTextBytes) {
    kept.resize(limits::kAuditTextBytes);
    kept += "...";
  }
  return kept;
}

void JsonObject::text(const std::string& name, std::string_view value) {
  if (!value.empty()) members_[name] = jsonText(withoutSecrets(value));
}
void JsonObject::number(const std::string& name, std::uint64_t value) {
  members_[name] = std::to_string(value);
}
void JsonObject::flag(const std::string& name, bool value) {
  members_[name] = value ? "true" : "false";
}
void JsonObject::object(const std::string& name, const JsonObject& value) {
  members_[name] = value.write();
}
void JsonObject::texts(const std::string& name, std::span<const std::string> values) {
  if (values.empty()) return;
  members_[name] =
      list(values, [](const std::string& value) { return jsonText(withoutSecrets(value)); });
}
void JsonObject::objects(const std::string& name, std::span<const JsonObject> values) {
  if (values.empty()) return;
  members_[name] = list(values, [](const JsonObject& value) { return value.write(); });
}

std::string JsonObject::write() const {
  std::string text = "{";
  for (const auto& [name, value] : members_) {
    if (text.size() > 1) text += ',';
    text += '"' + name + "\":" + value;
  }
  return text + '}';
}

}  // namespace airlock::audit
