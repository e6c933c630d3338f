// SPDX-License-Identifier: Apache-2.0
// OpenPGP ASCII armor and base64, read strictly.  Verifier roles authenticate and inspect-key;
// fuzzed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::verifier {

// The bytes of the one block "-----BEGIN <kind>-----" in `text` (RFC 4880 section 6.2).  Refused:
// anything but white space before or after it, a second block, a header line that is not "Key:
// value", a wrong CRC-24, base64 that is not canonical.  The message says what is wrong; the caller
// gives the code.
Result<std::string> readArmor(std::string_view text, std::string_view kind);

// RFC 4648 section 4, padded, canonical, without any other character.
Result<std::string> readBase64(std::string_view text);

// The next line of `text` without its end ("\n" or "\r\n"), taken off the front.
std::string_view takeLine(std::string_view& text);

}  // namespace airlock::verifier
