// SPDX-License-Identifier: Apache-2.0
#include "tpm/canonical.h"

#include <sodium/utils.h>

namespace airlock::tpm {

namespace {

// The deepest nesting of arrays and objects.  Looked at before parsing: destroying and writing a
// value recurse.
std::size_t depthOf(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool inString = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inString) {
      if (c == '\\') ++i;
      if (c == '"') inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest) deepest = depth;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

std::unexpected<Error> damaged(std::string what) {
  return refuse(ErrorKind::Invalid, "E_TPM_LOG", std::move(what),
                "somebody changed the measurement log; a reboot starts a new one");
}

std::string canonical(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<Json> parseCanonical(std::string_view text, std::size_t depth, std::string_view what) {
  if (depthOf(text) > depth) return damaged(std::string(what) + " is nested too deeply");
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return damaged(std::string(what) + " is not JSON");
  if (canonical(value) != text) return damaged(std::string(what) + " is not canonical JSON");
  return value;
}

std::string toBase64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the terminating zero
  return text;
}

Result<std::string> fromBase64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                        text.size(), nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text.data() + text.size()) {
    return damaged("the data of a record is not base64");
  }
  bytes.resize(size);
  if (toBase64(bytes) != text) return damaged("the data of a record is not canonical base64");
  return bytes;
}

}  // namespace airlock::tpm
