// SPDX-License-Identifier: Apache-2.0
// Writes an object as the one spelling of JSON that the audit record has: sorted keys, no spaces,
// ASCII.  It reads nothing: the helper links it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace airlock::audit {

// In quotes, with \u escapes; bytes that are not UTF-8 become U+FFFD.
std::string jsonText(std::string_view text);

// What must not be kept: of every URL in it, who one is there, the query and the fragment; and what
// is beyond limits::kAuditTextBytes.
std::string withoutSecrets(std::string_view text);

class JsonObject {
 public:
  // A text from outside, withoutSecrets(); an empty one is left out.
  void text(const std::string& name, std::string_view value);
  void number(const std::string& name, std::uint64_t value);
  void flag(const std::string& name, bool value);
  void object(const std::string& name, const JsonObject& value);
  // Lists that are empty are left out.
  void texts(const std::string& name, std::span<const std::string> values);
  void objects(const std::string& name, std::span<const JsonObject> values);

  bool has(const std::string& name) const { return members_.contains(name); }
  bool empty() const { return members_.empty(); }
  std::string write() const;

 private:
  std::map<std::string, std::string> members_;  // as they are written; keys are our own words
};

}  // namespace airlock::audit
