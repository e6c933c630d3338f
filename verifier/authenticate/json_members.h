// SPDX-License-Identifier: Apache-2.0
// Members of a JSON object as a signature's formats have them: there, of one type, or the whole is
// refused (E_SIG_KIND).  For .cc files of verifier/authenticate.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"
#include "image/json.h"

namespace airlock::verifier {

// E_SIG_KIND.
std::unexpected<Error> notUnderstood(std::string why);

// A document of at most limits::kOciAttachmentBytes; `what` is for the refusal.
Result<image::Json> parseSigned(std::string_view json, std::string_view what);

// `object` is an object with all of `needed`, perhaps with `also`, and with no other member.
Result<void> requireMembers(const image::Json& object, std::string_view what,
                            std::initializer_list<std::string_view> needed,
                            std::initializer_list<std::string_view> also);

Result<std::string> textMember(const image::Json& object, std::string_view key);
// Canonical base64 of at least one byte.
Result<std::string> bytesMember(const image::Json& object, std::string_view key);
// Not negative: a number, or as ProtoJSON has it a text with one.
Result<std::int64_t> numberMember(const image::Json& object, std::string_view key);
Result<std::reference_wrapper<const image::Json>> objectMember(const image::Json& object,
                                                               std::string_view key);
Result<std::reference_wrapper<const image::Json>> listMember(const image::Json& object,
                                                             std::string_view key,
                                                             std::size_t most);

}  // namespace airlock::verifier
