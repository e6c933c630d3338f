// SPDX-License-Identifier: Apache-2.0
// JSON with one spelling only: sorted keys, no spaces, ASCII with \u escapes.  The measuring
// process and the log's reader.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::tpm {

using Json = nlohmann::json;  // objects are std::map: sorted by the bytes of their keys

// Bytes that are not UTF-8 become U+FFFD: what is measured can always be written down.
std::string canonical(const Json& value);

// Accepts exactly what canonical() writes, so that duplicate keys, other escapes and spaces are
// refused, and at most `depth` levels.  E_TPM_LOG; `what` names the text in the error.
Result<Json> parseCanonical(std::string_view text, std::size_t depth, std::string_view what);

std::string toBase64(std::string_view bytes);
// Exactly what toBase64() writes.  E_TPM_LOG
Result<std::string> fromBase64(std::string_view text);

// The refusal of a log, or of a file beside it, that we did not write.
std::unexpected<Error> damaged(std::string what);

}  // namespace airlock::tpm
