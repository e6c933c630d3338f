// SPDX-License-Identifier: Apache-2.0
// The audit record in evidence, tied to the register: each line names the one before, and events of
// the measurement log name the line of their own decision.  airlock-attest.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/history.h"
#include "base/result.h"

namespace airlock::attest {

// What only the record has of a start or enter: the measured event names the line by its digest.
struct Decision {
  std::string rule;                    // the policy line that let it
  std::optional<std::uint64_t> login;  // whose log-in it came from
};

struct AuditLine {
  std::uint64_t number = 0;
  std::string digest;  // "sha256-…" of the line without its newline
  std::string boot;
  std::string operation;  // empty: the line is torn, and says nothing
  std::string pod;
  Decision decision;
};
// Canonical JSON in each line, no line missing, changed, doubled or in another place; a line that a
// crash has torn is marked as one.  E_ATTEST_AUDIT
Result<std::vector<AuditLine>> readAuditTrail(std::string_view text);

// What of the trail the register covers.
struct AuditTie {
  std::size_t covered = 0;     // lines up to the last one that an event names
  std::size_t loose = 0;       // of these, such that no line behind them names: a torn one follows
  std::size_t after = 0;       // lines behind it, which nothing but their order protects
  std::size_t unrecorded = 0;  // starts and enters that name no line
  std::map<std::uint64_t, Decision> decisions;  // by the number of the event
};
// Every line that an event names is there, in the order of the events, in this boot, and is the one
// of that start or enter.  E_ATTEST_AUDIT
Result<AuditTie> tieAuditTrail(const History& history, const std::vector<AuditLine>& lines);

// Whether something of this boot may stand before the first line: what that follows is not there to
// say that it is of another one.
bool beginsLate(const History& history, const std::vector<AuditLine>& lines);

}  // namespace airlock::attest
