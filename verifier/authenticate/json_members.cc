// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/json_members.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "verifier/authenticate/armor.h"

namespace airlock::verifier {

using image::Json;
using Member = std::reference_wrapper<const Json>;

namespace {

Result<Member> memberOf(const Json& object, std::string_view key) {
  if (object.is_object()) {
    const auto found = object.find(std::string(key));
    if (found != object.end()) return std::cref(*found);
  }
  return notUnderstood("it has no member " + airlock::quoted(key));
}

bool isAmong(std::string_view key, std::initializer_list<std::string_view> keys) {
  return std::ranges::find(keys, key) != keys.end();
}

}  // namespace

std::unexpected<Error> notUnderstood(std::string why) {
  return refuse(ErrorKind::Invalid, "E_SIG_KIND", std::move(why));
}

Result<Json> parseSigned(std::string_view json, std::string_view what) {
  auto document = image::parseJson(json, limits::kOciAttachmentBytes);
  if (document) return document;
  return notUnderstood(std::string(what) + " cannot be read: " + document.error().message());
}

Result<void> requireMembers(const Json& object, std::string_view what,
                            std::initializer_list<std::string_view> needed,
                            std::initializer_list<std::string_view> also) {
  if (!object.is_object()) return notUnderstood(std::string(what) + " is no object");
  for (const std::string_view key : needed) {
    if (!object.contains(std::string(key)))
      return notUnderstood(std::string(what) + " has no member " + airlock::quoted(key));
  }
  for (const auto& [key, value] : object.items()) {
    if (!isAmong(key, needed) && !isAmong(key, also))
      return notUnderstood(std::string(what) + " has an unknown member " + airlock::quoted(key));
  }
  return {};
}

Result<std::string> textMember(const Json& object, std::string_view key) {
  const Json& value = TRY(memberOf(object, key));
  if (!value.is_string()) return notUnderstood(airlock::quoted(key) + " is no text");
  return value.get<std::string>();
}

Result<std::string> bytesMember(const Json& object, std::string_view key) {
  auto bytes = readBase64(TRY(textMember(object, key)));
  if (bytes && !bytes->empty()) return bytes;
  return notUnderstood("the base64 of " + airlock::quoted(key) + " is malformed");
}

Result<std::int64_t> numberMember(const Json& object, std::string_view key) {
  const Json& value = TRY(memberOf(object, key));
  std::int64_t number = -1;
  if (value.is_number_integer()) {
    number = value.get<std::int64_t>();
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    // One number has one text.
    if (error != std::errc() || end != last || std::to_string(number) != text) number = -1;
  }
  if (number < 0) return notUnderstood(airlock::quoted(key) + " is no number");
  return number;
}

Result<Member> objectMember(const Json& object, std::string_view key) {
  const Member value = TRY(memberOf(object, key));
  if (!value.get().is_object()) return notUnderstood(airlock::quoted(key) + " is no object");
  return value;
}

Result<Member> listMember(const Json& object, std::string_view key, std::size_t most) {
  const Member value = TRY(memberOf(object, key));
  if (!value.get().is_array()) return notUnderstood(airlock::quoted(key) + " is no list");
  if (value.get().size() > most) return notUnderstood(airlock::quoted(key) + " is too long");
  return value;
}

}  // namespace airlock::verifier
