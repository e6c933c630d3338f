// SPDX-License-Identifier: Apache-2.0
// Texts as rkt's Go libraries print them: tables, times, sizes, durations.  CLI only; scripts in
// the field read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace airlock::cli {

// Go's text/tabwriter with minwidth 0, tabwidth 8, padding 1 and padchar TAB: every cell but the
// last of its row is followed by TABs up to the next multiple of eight columns.  A row ends with a
// newline.
std::string tabulate(const std::vector<std::vector<std::string>>& rows);

// go-humanize's Time: "now", "41 seconds ago", "2 weeks ago", "a long while ago".  Nanoseconds
// since 1970.
std::string humanizeTime(std::int64_t then, std::int64_t now);
// Go's default layout without its monotonic part, in the local zone: "2016-01-25 17:42:32.563 +0100
// CET".
std::string goTime(std::int64_t nanoseconds);
// go-humanize's IBytes as rkt has it, without a space: "4.0MiB", "33MiB", "9B".
std::string humanizeBytes(std::uint64_t bytes);
// ioprogress' unit, base 1000: "473 B", "2.65 MB".
std::string decimalBytes(std::uint64_t bytes);

// time.Duration's String(): "30m0s", "24h0m0s", "1.5s", "0s".
std::string goDuration(std::int64_t nanoseconds);
// time.ParseDuration: "30m", "1h30m", "1.5h", "0".  E_USAGE otherwise, and for what does not fit.
Result<std::int64_t> parseGoDuration(std::string_view text);

// Nanoseconds since 1970, now.
std::int64_t wallClock();

}  // namespace airlock::cli
