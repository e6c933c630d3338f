// SPDX-License-Identifier: Apache-2.0
#include "attest/audit_trail.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "attest/refusal.h"
#include "audit/log.h"

namespace airlock::attest {

namespace {

std::unexpected<Error> badTrail(std::string what) {
  return refuseEvidence("E_ATTEST_AUDIT", "the audit record " + std::move(what));
}
std::unexpected<Error> badLine(std::uint64_t number, std::string what) {
  return badTrail("has a line " + std::to_string(number) + " that " + std::move(what));
}

// Events that name their line, in order.
struct Named {
  std::uint64_t record;
  std::string pod;
  std::string audit;
  bool enter;
};

std::vector<Named> namedBy(const History& history) {
  std::vector<Named> named;
  for (const PodRecord& pod : history.pods)
    named.push_back({pod.number, pod.pod, pod.audit, false});
  for (const EnterRecord& enter : history.enters) {
    named.push_back({enter.number, enter.pod, enter.audit, true});
  }
  std::ranges::sort(named, {}, &Named::record);
  return named;
}

std::optional<std::uint64_t> loginOf(const audit::Line& line) {
  if (!line.fields.is_object() || !line.fields.contains("who")) return std::nullopt;
  const auto& who = line.fields["who"];
  if (!who.contains("auid")) return std::nullopt;
  return who["auid"].get<std::uint64_t>();
}

// A line holds the one before it, but what a crash has torn, or root has written, holds nothing:
// what stands before that could be exchanged, up to the last line that an event names.
std::size_t countLoose(const std::vector<AuditLine>& lines, const std::set<std::size_t>& named,
                       std::size_t covered) {
  std::size_t loose = 0;
  bool held = true;
  for (std::size_t i = covered; i-- > 0;) {
    held = held || named.contains(i);
    if (!held) ++loose;
    if (lines[i].operation.empty()) held = false;
  }
  return loose;
}

bool isStart(std::string_view operation) {
  constexpr std::array<std::string_view, 4> kStarts{"run", "run-prepared", "sandbox", "app-start"};
  return std::ranges::count(kStarts, operation) != 0;
}

}  // namespace

Result<std::vector<AuditLine>> readAuditTrail(std::string_view text) {
  std::vector<AuditLine> lines;
  const auto read = audit::readLines(text, [&](const audit::Line& line) -> Result<void> {
    lines.push_back({.number = line.number,
                     .digest = line.digest.text(),
                     .boot = line.word("boot"),
                     .operation = line.word("op"),
                     .pod = line.subject("pod"),
                     .decision = {line.word("rule"), loginOf(line)}});
    return {};
  });
  if (!read) return badTrail("is not as it was written: " + read.error().message());
  return lines;
}

Result<AuditTie> tieAuditTrail(const History& history, const std::vector<AuditLine>& lines) {
  const std::string& boot = history.engines.front().bootId;
  if (!lines.empty() && std::ranges::count(lines, boot, &AuditLine::boot) == 0) {
    return badTrail("is of another boot than the measurement log");
  }
  AuditTie tie;
  std::set<std::size_t> positions;
  for (const Named& named : namedBy(history)) {
    if (named.audit.empty()) {
      ++tie.unrecorded;
      continue;
    }
    const std::string record = "record " + std::to_string(named.record);
    // From where the last one stood: the order of both is the same.
    const auto from = lines.begin() + static_cast<std::ptrdiff_t>(tie.covered);
    const auto found = std::find_if(
        from, lines.end(), [&](const AuditLine& line) { return line.digest == named.audit; });
    if (found == lines.end()) {
      return badTrail("does not have the line that " + record + " of the measurement log names");
    }
    if (found->boot != boot || found->pod != named.pod ||
        (named.enter ? found->operation != "enter" : !isStart(found->operation))) {
      return badLine(found->number, "is about something else than " + record +
                                        " of the measurement log, which names it");
    }
    tie.decisions[named.record] = found->decision;
    tie.covered = static_cast<std::size_t>(found - lines.begin()) + 1;
    positions.insert(tie.covered - 1);
  }
  tie.loose = countLoose(lines, positions, tie.covered);
  tie.after = lines.size() - tie.covered;
  return tie;
}

bool beginsLate(const History& history, const std::vector<AuditLine>& lines) {
  return !lines.empty() && lines.front().number != 0 &&
         lines.front().boot == history.engines.front().bootId;
}

}  // namespace airlock::attest
