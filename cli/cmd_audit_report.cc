// SPDX-License-Identifier: Apache-2.0
// airlock audit report
#include <unistd.h>

#include <array>
#include <ctime>

#include "base/syscall.h"
#include "cli/audit_lines.h"
#include "cli/audit_report.h"
#include "cli/evidence_file.h"
#include "cli/options.h"
#include "cli/text_output.h"

namespace airlock::cli {

Result<int> auditReportPage(const Options& options, const std::vector<std::string>& arguments) {
  std::string output;
  std::string since;
  std::string until;
  bool html = false;
  bool overwrite = false;
  const auto words =
      TRY(parseFlags(arguments, {boolFlag("html", html), textFlag("o", output),
                                 textFlag("output", output), textFlag("since", since),
                                 textFlag("until", until), boolFlag("overwrite", overwrite)}));
  if (!words.empty() || !html || output.empty())
    return refuse(ErrorKind::Invalid, "E_USAGE", "it takes --html and -o FILE",
                  "For text: airlock audit query");
  AuditQuery query;
  if (!since.empty()) query.since = TRY(auditTime(since));
  if (!until.empty()) query.until = TRY(auditTime(until));
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return failErrno("gethostname");
  std::string range;
  if (!query.since.empty()) range += "from " + query.since;
  if (!query.until.empty()) range += (range.empty() ? "up to " : " to ") + query.until;
  const auto lines = TRY(selectLines(options, query));
  const ReportHead head{
      .host = host.data(), .made = TRY(auditTime("0s")) + " UTC", .range = std::move(range)};
  TRY(writeNewFile(output, auditReport(head, lines),
                   overwrite ? IfThere::Overwrite : IfThere::Refuse));
  return 0;
}

}  // namespace airlock::cli
