// SPDX-License-Identifier: Apache-2.0
#include "attest/audit_trail.h"

#include <algorithm>
#include <array>

#include "attest/refusal.h"
#include "base/digest.h"
#include "base/limits.h"
#include "tpm/canonical.h"

namespace airlock::attest {

namespace {

using tpm::Json;

constexpr std::size_t kDepth = 8;
constexpr char kTorn = '\x18';  // how the next writer closes what a crash has left of a line

std::unexpected<Error> badTrail(std::string what) {
  return refuseEvidence("E_ATTEST_AUDIT", "the audit record " + std::move(what));
}
std::unexpected<Error> badLine(std::uint64_t number, std::string what) {
  return badTrail("has a line " + std::to_string(number) + " that " + std::move(what));
}

std::string textAt(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

class Reading {
 public:
  Result<void> add(std::string_view text);
  std::vector<AuditLine> take() { return std::move(lines_); }

 private:
  std::vector<AuditLine> lines_;
};

Result<void> Reading::add(std::string_view text) {
  AuditLine line{.number = lines_.empty() ? 0 : lines_.back().number + 1,
                 .digest = ociDigestOf(text).text()};
  if (text.ends_with(kTorn)) {
    if (lines_.empty()) return badTrail("begins with a torn line");
    lines_.push_back(std::move(line));
    return {};
  }
  const auto json = tpm::parseCanonical(text, kDepth, "a line");
  if (!json || !json->is_object()) return badLine(line.number, "is not canonical JSON");
  const auto sequence = json->find("seq");
  const std::string previous = textAt(*json, "prev");
  if (sequence == json->end() || !sequence->is_number_unsigned() || !OciDigest::parse(previous)) {
    return badLine(line.number, "does not say where in the record it stands");
  }
  const auto number = sequence->get<std::uint64_t>();
  if (!lines_.empty() && number != line.number) {
    return badTrail("has line " + std::to_string(number) + " where line " +
                    std::to_string(line.number) + " must be");
  }
  if (!lines_.empty() && previous != lines_.back().digest) {
    return badLine(number, "does not follow the one before it: one of them was changed");
  }
  line.number = number;
  line.boot = textAt(*json, "boot");
  line.operation = textAt(*json, "op");
  if (line.operation.empty()) return badLine(number, "does not say what it is about");
  if (const auto subject = json->find("subject"); subject != json->end() && subject->is_object()) {
    line.pod = textAt(*subject, "pod");
  }
  lines_.push_back(std::move(line));
  return {};
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

bool isStart(std::string_view operation) {
  constexpr std::array<std::string_view, 4> kStarts{"run", "run-prepared", "sandbox", "app-start"};
  return std::ranges::count(kStarts, operation) != 0;
}

}  // namespace

Result<std::vector<AuditLine>> readAuditTrail(std::string_view text) {
  Reading reading;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return badTrail("ends within a line");
    TRY(reading.add(text.substr(0, end)));
    text.remove_prefix(end + 1);
  }
  return reading.take();
}

Result<AuditTie> tieAuditTrail(const History& history, const std::vector<AuditLine>& lines) {
  AuditTie tie;
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
    if (found->boot != history.engines.front().bootId || found->pod != named.pod ||
        (named.enter ? found->operation != "enter" : !isStart(found->operation))) {
      return badLine(found->number, "is about something else than " + record +
                                        " of the measurement log, which names it");
    }
    tie.covered = static_cast<std::size_t>(found - lines.begin()) + 1;
  }
  tie.after = lines.size() - tie.covered;
  return tie;
}

}  // namespace airlock::attest
