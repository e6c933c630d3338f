// SPDX-License-Identifier: Apache-2.0
#include "image/json_reader.h"

#include <algorithm>

#include "base/log.h"

namespace airlock::image {

std::unexpected<Error> refuseField(std::string_view where, std::string message) {
  auto refusal = refuse(ErrorKind::Invalid, "E_MANIFEST", std::move(message));
  if (where.empty()) return refusal;
  return std::unexpected(std::move(refusal.error()).in(where));
}

Result<ObjectReader> ObjectReader::of(const Json& value, std::string where) {
  if (!value.is_object()) return refuseField(where, "must be an object");
  return ObjectReader(value, std::move(where));
}

std::string ObjectReader::at(std::string_view key) const {
  return where_.empty() ? std::string(key) : where_ + "." + std::string(key);
}

const Json* ObjectReader::find(std::string_view key) const {
  const auto& members = object_->get_ref<const Json::object_t&>();
  const auto found = std::ranges::find(members, key, [](const auto& m) { return m.first; });
  return found == members.end() || found->second.is_null() ? nullptr : &found->second;
}

Result<std::string> ObjectReader::text(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return refuseField(at(key), "must be a string");
  return value->get<std::string>();
}

Result<bool> ObjectReader::boolean(std::string_view key) const {
  const std::optional<bool> value = TRY(optionalBoolean(key));
  return value.value_or(false);
}

Result<std::optional<bool>> ObjectReader::optionalBoolean(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return refuseField(at(key), "must be true or false");
  return std::optional<bool>(value->get<bool>());
}

Result<std::optional<std::int64_t>> ObjectReader::integer(std::string_view key, std::int64_t min,
                                                          std::int64_t max) const {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (!value->is_number_integer()) return refuseField(at(key), "must be a whole number");
  const auto number = value->get<std::int64_t>();
  if (number < min || number > max) {
    return refuseField(at(key), std::to_string(number) + " is not in the range " +
                                    std::to_string(min) + " to " + std::to_string(max));
  }
  return std::optional<std::int64_t>(number);
}

Result<std::map<std::string, std::string>> ObjectReader::textMap(std::string_view key) const {
  std::map<std::string, std::string> map;
  const Json* value = find(key);
  if (value == nullptr) return map;
  if (!value->is_object()) return refuseField(at(key), "must be an object");
  for (const auto& [name, member] : value->get_ref<const Json::object_t&>()) {
    if (!member.is_string()) {
      return refuseField(at(key), "the value of " + airlock::quoted(name) + " must be a string");
    }
    map.emplace(name, member.get<std::string>());
  }
  return map;
}

Result<std::vector<std::string>> ObjectReader::textList(std::string_view key,
                                                        std::size_t most) const {
  return list<std::string>(key, most,
                           [](const Json& value, const std::string& where) -> Result<std::string> {
                             if (!value.is_string()) return refuseField(where, "must be a string");
                             return value.get<std::string>();
                           });
}

Result<const Json*> ObjectReader::arrayAt(std::string_view key, std::size_t most) const {
  const Json* value = find(key);
  if (value == nullptr) return value;
  if (!value->is_array()) return refuseField(at(key), "must be an array");
  if (value->size() > most) {
    return refuseField(at(key), std::to_string(value->size()) +
                                    " elements, more than the limit of " + std::to_string(most));
  }
  return value;
}

}  // namespace airlock::image
