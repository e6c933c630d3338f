// SPDX-License-Identifier: Apache-2.0
// application/x-www-form-urlencoded.  The metadata service only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace airlock::metadata {

// "%41+b" -> "A b"; nullopt for a '%' without two hexadecimal digits.
std::optional<std::string> decodePercent(std::string_view text, bool plusIsSpace);

// The fields of a form; nullopt when it is none: an undecodable name or value, or a name twice.
std::optional<std::map<std::string, std::string>> parseForm(std::string_view text);

}  // namespace airlock::metadata
