// SPDX-License-Identifier: Apache-2.0
// Lines on stderr for whoever runs the process: level=warn proc=helper msg="…".  Only main-level
// code logs; libraries return errors.
#pragma once

#include <string>
#include <string_view>

namespace airlock {

// Text from outside made safe for a terminal and a log: control characters, quotes and bytes that
// are not UTF-8 are escaped, and it is cut at 256 bytes (tests T18, H15).
std::string quoted(std::string_view untrusted);
// The same escapes without quotes and without the cut, for tables and messages.
std::string printable(std::string_view untrusted);
// Well-formed UTF-8 (RFC 3629) throughout.
bool isUtf8(std::string_view text);

enum class LogLevel { Info, Warn, Error };
// `process` is the short name of the program: helper, fetch, verify, measure, stage1.
void log(LogLevel level, std::string_view process, std::string_view message);

}  // namespace airlock
