// SPDX-License-Identifier: Apache-2.0
// The header of an HTTP answer, and what of it we act upon.  The fetcher only.  (RFC 9110, RFC
// 9111)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace airlock::fetch {

class Headers {
 public:
  // One line as it came, with its line end.  A status line starts anew: only the last answer of a
  // connection counts.
  void add(std::string_view line);

  // The value of the first header of that name (lower case); nullopt without one.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// The length that the answer says its body has.  E_SHORT when it says two different ones, none that
// is a number, or one beside a transfer coding: two readers of such an answer would see two
// different bodies (test F06).
Result<std::optional<std::uint64_t>> bodyLength(const Headers& headers);

// E_ENCODING unless the body comes as it is: we never ask for a coding (test F09).
Result<void> refuseEncodings(const Headers& headers);

// Content-Range of a 206: where the part starts and how long the whole is.  E_RANGE unless it is
// one range of bytes that ends with the whole.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t total = 0;
};
Result<ContentRange> contentRange(const Headers& headers);

// What names this version of the resource: the ETag, else Last-Modified, else "".
std::string versionTag(const Headers& headers);
// A tag that may go into a request: printable, not too long.  Ours come back from the store, which
// had them from a server.
bool isTag(std::string_view tag);
bool isEntityTag(std::string_view tag);  // an ETag, not a date
// May be used with If-Range: a strong ETag, or a date.
bool isStrongTag(std::string_view tag);

// Seconds for which Cache-Control lets us use the answer without asking again; 0 for no-store and
// no-cache.
std::int64_t maxAge(const Headers& headers);

// The decimal number that is all of `text`; nullopt for anything else, and when it does not fit.
std::optional<std::uint64_t> decimal(std::string_view text);

}  // namespace airlock::fetch
