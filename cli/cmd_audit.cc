// SPDX-License-Identifier: Apache-2.0
// airlock audit query and audit show
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/accounts.h"
#include "base/log.h"
#include "cli/audit_lines.h"
#include "cli/go_format.h"
#include "cli/options.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

constexpr const char* kUsualFields = "seq,time,user,op,about,result";

std::unexpected<Error> usage(std::string message, std::string hint = {}) {
  return refuse(ErrorKind::Invalid, "E_USAGE", std::move(message), std::move(hint));
}

Result<std::vector<const AuditField*>> chosenFields(const std::string& list) {
  std::vector<const AuditField*> chosen;
  std::string known;
  for (const AuditField& field : auditFields())
    known += (known.empty() ? "" : ", ") + std::string(field.name);
  for (std::string_view rest = list;;) {
    const auto comma = rest.find(',');
    const std::string_view name = rest.substr(0, comma);
    const auto found = std::ranges::find(auditFields(), name, &AuditField::name);
    if (found == auditFields().end())
      return usage("there is no field " + airlock::quoted(name), "There are: " + known);
    chosen.push_back(&*found);
    if (comma == rest.npos) return chosen;
    rest.remove_prefix(comma + 1);
  }
}

// A word that nothing was ever called by would find nothing, as if all were well.
Result<void> expectOperation(const std::string& operation) {
  const auto known = audit::operations();
  if (operation.empty() || std::ranges::find(known, operation) != known.end()) return {};
  std::string list;
  for (const std::string_view each : known) list += (list.empty() ? "" : ", ") + std::string(each);
  return usage("nothing is called " + airlock::quoted(operation), "There are: " + list);
}

// As it is in the record, with its digest; the array is what scripts read.
image::Json jsonOf(const std::vector<audit::Line>& lines) {
  image::Json document = image::Json::array();
  for (const audit::Line& line : lines) {
    image::Json one;
    one["digest"] = line.digest.text();
    if (line.torn) {
      one["torn"] = true;
      one["seq"] = line.number;
    } else {
      one["line"] = image::Json::parse(line.text);
    }
    document.push_back(std::move(one));
  }
  return document;
}

Result<std::uint64_t> uidOf(const std::string& user) {
  if (const auto number = parseNumber(user)) return *number;
  const auto account = TRY(findUser(user));
  if (account) return account->uid;
  return usage("there is no user " + airlock::quoted(user));
}

std::string columnName(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return upper;
}

}  // namespace

Result<int> auditQuery(const Options& options, const std::vector<std::string>& arguments) {
  AuditQuery query;
  std::string since;
  std::string until;
  std::string user;
  std::string fields = kUsualFields;
  bool noLegend = false;
  const auto words =
      TRY(parseFlags(arguments, {textFlag("since", since), textFlag("until", until),
                                 textFlag("op", query.operation), textFlag("pod", query.pod),
                                 textFlag("image", query.image), textFlag("user", user),
                                 textFlag("boot", query.boot), boolFlag("refused", query.refused),
                                 textFlag("fields", fields), boolFlag("no-legend", noLegend)}));
  if (!words.empty()) return usage("it takes flags alone");
  TRY(expectOperation(query.operation));
  if (!since.empty()) query.since = TRY(auditTime(since));
  if (!until.empty()) query.until = TRY(auditTime(until));
  if (!user.empty()) query.uid = TRY(uidOf(user));
  const auto chosen = TRY(chosenFields(fields));
  const auto lines = TRY(selectLines(options, query));
  if (options.json) {
    printJson(jsonOf(lines));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  if (!noLegend) {
    for (auto& row = rows.emplace_back(); const AuditField* field : chosen)
      row.push_back(columnName(field->name));
  }
  for (const audit::Line& line : lines) {
    for (auto& row = rows.emplace_back(); const AuditField* field : chosen)
      row.push_back(printable(field->value(line)));
  }
  out(tabulate(rows));
  return 0;
}

Result<int> auditShow(const Options& options, const std::vector<std::string>& arguments) {
  const auto words = TRY(parseFlags(arguments, {}));
  if (words.size() != 1) return usage("it takes the number of a line, or a pod");
  AuditQuery query;
  // A pod's UUID that is digits alone is written with its dashes; eight digits of one are a number.
  const auto number = parseNumber(words[0]);
  if (!number) query.pod = words[0];
  std::vector<audit::Line> lines = TRY(selectLines(options, query));
  if (number) std::erase_if(lines, [&](const audit::Line& line) { return line.number != *number; });
  if (lines.empty())
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "the audit record has nothing of " + airlock::quoted(words[0]));
  if (options.json) {
    printJson(jsonOf(lines));
    return 0;
  }
  for (const audit::Line& line : lines) out(explainLine(line));
  return 0;
}

}  // namespace airlock::cli
