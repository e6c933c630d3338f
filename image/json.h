// SPDX-License-Identifier: Apache-2.0
// The one strict JSON reader, and the two ways in which we write JSON.  Unprivileged code may use
// it; a .cc file that looks into a Json includes <nlohmann/json.hpp> itself.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::image {

// Keeps the order of keys, so that what we print reads like what was written.
using Json = nlohmann::ordered_json;

// Reads one RFC 8259 value that fills `text`.  Refused (E_JSON, with line and column): more than
// maxBytes, a BOM or NUL byte, invalid UTF-8, NUL in a string, nesting beyond limits::kJsonDepth,
// more than limits::kJsonValues values, a key that an object has twice, "-0", and whole numbers
// that do not fit int64 (others would become doubles unseen). Never recurses, whatever the input.
Result<Json> parseJson(std::string_view text, std::size_t maxBytes);

enum class JsonStyle {
  Compact,  // no white space
  Pretty,   // one TAB per level, as Go's MarshalIndent(v, "", "\t")
};

// Escapes <, >, & and U+2028/9 as Go does, and DEL and C1 controls too: the text may go to a
// terminal (H15). Text that is not UTF-8 gets replacement characters.  No newline at the end.
std::string writeJson(const Json& value, JsonStyle style);

}  // namespace airlock::image
