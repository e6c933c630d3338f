// SPDX-License-Identifier: Apache-2.0
// Choosing lines of the audit record, and saying them.  CLI only: the record is read with the
// caller's own rights, and nobody is asked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/log.h"
#include "base/fd.h"
#include "base/result.h"
#include "cli/command.h"

namespace airlock::cli {

// The directory of the record.  E_NOT_FOUND: nothing was ever recorded; E_DENIED: not for this
// user.
Result<Fd> openAuditRecord(const Options& options);

// What a line must be to be shown; an empty one says nothing.
struct AuditQuery {
  std::string since;  // RFC 3339, or a beginning of it: lines of then and later
  std::string until;  // lines of before
  std::string operation;
  std::string pod;    // UUID, or a beginning of it
  std::string image;  // an id, a beginning of one, a name, or one above it
  std::optional<std::uint64_t> uid;
  std::string boot;
  bool refused = false;
  bool matches(const audit::Line& line) const;
};
// "10m" of now, or a time as it is.  E_USAGE
Result<std::string> auditTime(const std::string& text);

Result<std::vector<audit::Line>> selectLines(const Options& options, const AuditQuery& query);

// The names that --fields takes, with what they are called above a column.
struct AuditField {
  const char* name;
  std::string (*value)(const audit::Line& line);
};
const std::vector<AuditField>& auditFields();

// Every app of a start, or the image of an import, as (id, name).
std::vector<std::pair<std::string, std::string>> imagesOf(const audit::Line& line);
// Fingerprints of whoever signed what the line is about, each once.
std::vector<std::string> signersOf(const audit::Line& line);
// Layers that did not hold: "name: why".
std::vector<std::string> missingLayers(const audit::Line& line);
std::vector<std::string> weakeningsOf(const audit::Line& line);
std::string userOf(const audit::Line& line);  // name, or uid; "-" for the helper itself

// Several lines for people, indented below the first.  Escaped for a terminal.
std::string explainLine(const audit::Line& line);

}  // namespace airlock::cli
