// SPDX-License-Identifier: Apache-2.0
// An appraisal as its reader gets it: text and a page for people, JSON for programs.
// airlock-attest.
#pragma once

#include <string>

#include "attest/appraise.h"

namespace airlock::attest {

// Safe for a terminal: what comes from the host is escaped.
std::string textReport(const Appraisal& appraisal);
// One object: docs/measurement.md ("Verifying") has its members.
std::string jsonReport(const Appraisal& appraisal);
// For a browser (audit/page.h).
std::string pageReport(const Appraisal& appraisal);

}  // namespace airlock::attest
