// SPDX-License-Identifier: Apache-2.0
// Typed access to the members of a Json object, with the place in every refusal.  For .cc files of
// unprivileged code; never included by a header.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "image/json.h"

namespace airlock::image {

// A refusal of a document: code E_MANIFEST.
std::unexpected<Error> refuseField(std::string_view where, std::string message);

// One object.  An absent member and null are the same, as they are to appc's tools; members that
// nobody asks for are ignored (forward compatibility).  The reader borrows the object.
class ObjectReader {
 public:
  static Result<ObjectReader> of(const Json& value, std::string where);

  const std::string& where() const { return where_; }
  std::string at(std::string_view key) const;    // "app.ports", for messages
  const Json* find(std::string_view key) const;  // nullptr: absent or null

  Result<std::string> text(std::string_view key) const;  // empty when absent
  Result<bool> boolean(std::string_view key) const;      // false when absent
  Result<std::optional<bool>> optionalBoolean(std::string_view key) const;
  // A whole number min..max; fractions and exponents are refused even where the value is whole.
  Result<std::optional<std::int64_t>> integer(std::string_view key, std::int64_t min,
                                              std::int64_t max) const;
  Result<std::map<std::string, std::string>> textMap(std::string_view key) const;
  Result<std::vector<std::string>> textList(std::string_view key, std::size_t most) const;

  // Calls read(const Json&, std::string where) -> Result<T> for each element; no elements when
  // absent.
  template <class T, class Read>
  Result<std::vector<T>> list(std::string_view key, std::size_t most, Read read) const {
    std::vector<T> items;
    const Json* array = TRY(arrayAt(key, most));
    if (array == nullptr) return items;
    items.reserve(array->size());
    for (std::size_t i = 0; i < array->size(); ++i) {
      Result<T> item = read((*array)[i], at(key) + "[" + std::to_string(i) + "]");
      if (!item) return std::unexpected(std::move(item.error()));
      items.push_back(std::move(*item));
    }
    return items;
  }

 private:
  ObjectReader(const Json& object, std::string where)
      : object_(&object), where_(std::move(where)) {}
  Result<const Json*> arrayAt(std::string_view key, std::size_t most) const;

  const Json* object_;
  std::string where_;
};

}  // namespace airlock::image
