// SPDX-License-Identifier: Apache-2.0
// What a registry that answers 401 wants to be shown.  Pure; the fetcher only.  (RFC 9110, 11.3 and
// 11.6.1; distribution: token authentication)
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace airlock::fetch {

struct Challenge {
  std::string scheme;                             // lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // names in lower case, values unquoted
  std::string parameter(const std::string& name) const;
};

// Those of all WWW-Authenticate headers, in their order; at most limits::kChallenges.  A header is
// read up to where it is no longer one: a value in quotes may hold commas, spaces and escapes.
std::vector<Challenge> parseChallenges(const std::vector<std::string_view>& headers);

}  // namespace airlock::fetch
