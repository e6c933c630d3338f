// SPDX-License-Identifier: Apache-2.0
#include "cli/policy_history.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/syscall.h"
#include "cli/audit_lines.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kMostLines = 4096;  // of a file, to be compared line by line

std::vector<std::string> linesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// name, NUL, bytes, NUL, for each file.
Result<std::map<std::string, std::string>> filesOf(std::string_view kept) {
  std::map<std::string, std::string> files;
  while (!kept.empty()) {
    const std::size_t name = kept.find('\0');
    const std::size_t end = name == kept.npos ? name : kept.find('\0', name + 1);
    if (end == kept.npos) return audit::damagedRecord("a kept policy is not whole");
    files[std::string(kept.substr(0, name))] = kept.substr(name + 1, end - name - 1);
    kept.remove_prefix(end + 1);
  }
  return files;
}

}  // namespace

Result<PolicyAt> policyAt(const Options& options, const std::string& when) {
  const auto changes = TRY(selectLines(options, {.operation = "policy"}));
  const bool digest = when.starts_with("sha512-");
  const std::string time = when.empty() || when == "^" || digest ? "" : TRY(auditTime(when));
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const bool chosen = digest        ? changes[i].subject("digest").starts_with(when)
                        : when == "^" ? i + 1 < changes.size()
                                      : time.empty() || changes[i].word("time") <= time;
    if (chosen) found = i;
  }
  if (!found)
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  when == "^" ? "the audit record has no policy before the one in force"
                              : "the audit record has no policy of " +
                                    airlock::quoted(when.empty() ? "now" : when),
                  "See: airlock audit query --op=policy");
  const audit::Line& line = changes[*found];
  PolicyAt policy{.since = line.word("time"), .digest = line.subject("digest"), .files = {}};
  const Fd directory = TRY(openAuditRecord(options));
  const Fd file = TRY(sys::openBeneath(directory, TRY(BeneathPath::parse("kept/" + policy.digest)),
                                       O_RDONLY | O_NONBLOCK));
  const std::string kept = TRY(sys::readAll(file, limits::kSealedBytes));
  if (digestOf(kept).text() != policy.digest)
    return audit::damagedRecord("a kept policy has another digest than its name says");
  policy.files = TRY(filesOf(kept));
  return policy;
}

std::vector<std::pair<char, std::string>> differingLines(std::string_view before,
                                                         std::string_view after) {
  std::vector<std::string> old = linesOf(before);
  std::vector<std::string> now = linesOf(after);
  old.resize(std::min(old.size(), kMostLines));
  now.resize(std::min(now.size(), kMostLines));
  // The longest common subsequence: lengths of those of the ends from (i, j) on.
  const std::size_t width = now.size() + 1;
  std::vector<std::uint16_t> longest((old.size() + 1) * width);
  for (std::size_t i = old.size(); i-- > 0;) {
    for (std::size_t j = now.size(); j-- > 0;) {
      longest[i * width + j] =
          old[i] == now[j] ? static_cast<std::uint16_t>(longest[(i + 1) * width + j + 1] + 1)
                           : std::max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  std::vector<std::pair<char, std::string>> lines;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < old.size() || j < now.size()) {
    if (i < old.size() && j < now.size() && old[i] == now[j]) {
      lines.emplace_back(' ', old[i]);
      ++i, ++j;
    } else if (j == now.size() ||
               (i < old.size() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      lines.emplace_back('-', old[i++]);
    } else {
      lines.emplace_back('+', now[j++]);
    }
  }
  return lines;
}

std::string policyDifference(const PolicyAt& before, const PolicyAt& after) {
  std::set<std::string> names;
  for (const auto& [name, content] : before.files) names.insert(name);
  for (const auto& [name, content] : after.files) names.insert(name);
  std::string text;
  for (const std::string& name : names) {
    const auto old = before.files.find(name);
    const auto now = after.files.find(name);
    const std::string was = old == before.files.end() ? "" : old->second;
    const std::string is = now == after.files.end() ? "" : now->second;
    if (was == is) continue;
    text += "--- " + (old == before.files.end() ? "(none)" : printable(name)) + "\t" +
            before.since + "\n+++ " + (now == after.files.end() ? "(none)" : printable(name)) +
            "\t" + after.since + "\n";
    for (const auto& [mark, line] : differingLines(was, is)) {
      if (mark != ' ') text += mark + printable(line) + "\n";
    }
  }
  return text;
}

}  // namespace airlock::cli
