// SPDX-License-Identifier: Apache-2.0
// The policies that were in force, as the audit record has them.  CLI only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace airlock::cli {

struct PolicyAt {
  std::string since;                         // time of the line that noticed it
  std::string digest;                        // SHA-512
  std::map<std::string, std::string> files;  // name -> content
};
// `when` is a time, or a beginning of a digest, as audit query shows it; "" is the latest, "^" the
// one before.  E_NOT_FOUND; E_AUDIT_LOG when what was kept has another digest.
Result<PolicyAt> policyAt(const Options& options, const std::string& when);

// "--- a", "+++ b" and the lines that differ, by file; "" when they are the same.
std::string policyDifference(const PolicyAt& before, const PolicyAt& after);

// The lines of `after` with what is gone of `before` in between: (' ', '-' or '+', line).
std::vector<std::pair<char, std::string>> differingLines(std::string_view before,
                                                         std::string_view after);

}  // namespace airlock::cli
