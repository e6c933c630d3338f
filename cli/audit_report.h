// SPDX-License-Identifier: Apache-2.0
// The audit record as one page for a browser: what ran, who signed it, when, and what was not
// enforced.  CLI only.  No script, nothing from a network; every text of the record is escaped.
#pragma once

#include <string>
#include <vector>

#include "audit/log.h"

namespace airlock::cli {

struct ReportHead {
  std::string host;
  std::string made;   // when, as the record writes times
  std::string range;  // which lines, in words; "" for all
};
std::string auditReport(const ReportHead& head, const std::vector<audit::Line>& lines);

}  // namespace airlock::cli
