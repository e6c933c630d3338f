// SPDX-License-Identifier: Apache-2.0
// airlock audit export and audit prove
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "cli/audit_evidence.h"
#include "cli/audit_lines.h"
#include "cli/options.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

std::unexpected<Error> usage(std::string message, std::string hint = {}) {
  return refuse(ErrorKind::Invalid, "E_USAGE", std::move(message), std::move(hint));
}

struct ExportFlags {
  std::string output;
  bool quote = false;
  std::string quoted;  // where `attest quote` wrote one
  std::string nonce;
  std::string boot;
  bool sinceBoot = false;
  bool overwrite = false;
};

Flag quoteFlag(ExportFlags& flags) {
  return {"quote", Flag::Value::Optional, [&](const std::string& value) -> Result<void> {
            flags.quote = true;
            flags.quoted = value;
            return {};
          }};
}

// First of all: what is done while the rest is gathered may be in the record, but not in the quote.
Result<EvidenceFiles> quoteFor(const Options& options, const ExportFlags& flags) {
  EvidenceFiles files;
  if (!flags.nonce.empty() && (!flags.quote || !flags.quoted.empty()))
    return usage("--nonce is for a quote that is made now: --quote without a directory");
  if (!flags.quote) return files;
  if (!flags.quoted.empty()) {
    TRY(addQuote(flags.quoted, files));
  } else {
    TRY(makeQuote(options, flags.nonce, files));
  }
  return files;
}

void printJson(const EvidenceFiles& evidence, const ExportFlags& flags, std::size_t lines,
               const std::vector<std::string>& notes) {
  image::Json document;
  document["file"] = flags.output;
  document["lines"] = lines;
  document["quoted"] = evidence.contains("quote");
  document["members"] = image::Json::array();
  for (const auto& [name, content] : evidence) document["members"].push_back(name);
  document["notes"] = notes;
  cli::printJson(document);
}

Result<int> write(const Options& options, const EvidenceFiles& evidence, const ExportFlags& flags,
                  std::size_t lines, std::vector<std::string> notes) {
  TRY(writeEvidence(evidence, flags.output,
                    flags.overwrite ? IfThere::Overwrite : IfThere::Refuse));
  if (!evidence.contains("quote"))
    notes.emplace_back(
        "without a quote the TPM does not vouch for it: add --quote, with the auditor's --nonce");
  if (options.json && flags.output != "-") {
    printJson(evidence, flags, lines, notes);
    return 0;
  }
  for (const std::string& text : notes) inform(text);
  if (flags.output != "-")
    out(std::to_string(lines) + " line(s) and " + std::to_string(evidence.size() - 1) +
        " other file(s) in " + printable(flags.output) + "\n");
  return 0;
}

}  // namespace

Result<int> auditExport(const Options& options, const std::vector<std::string>& arguments) {
  ExportFlags flags;
  const auto words = TRY(parseFlags(
      arguments,
      {textFlag("o", flags.output), textFlag("output", flags.output), quoteFlag(flags),
       textFlag("nonce", flags.nonce), textFlag("boot", flags.boot),
       boolFlag("since-boot", flags.sinceBoot), boolFlag("overwrite", flags.overwrite)}));
  if (!words.empty()) return usage("it takes flags alone");
  if (flags.output.empty()) return usage("it needs -o FILE, or -o - for standard output");
  if (flags.sinceBoot == !flags.boot.empty())
    return usage("it needs --since-boot or --boot=ID",
                 "Evidence is of one boot: a TPM's register begins anew with the next");
  const EvidenceFiles quote = TRY(quoteFor(options, flags));
  EvidenceFiles evidence;
  std::vector<audit::Line> lines;
  std::vector<std::string> notes;
  TRY(addLines(options, flags.sinceBoot ? TRY(thisBoot()) : flags.boot, evidence, lines));
  if (flags.sinceBoot) TRY(addLogs(options, evidence));
  TRY(addImages(options, lines, evidence, notes));
  TRY(addConfiguration(options, evidence));
  for (const auto& [name, content] : quote) evidence[name] = content;
  return write(options, evidence, flags, lines.size(), notes);
}

Result<int> auditProve(const Options& options, const std::vector<std::string>& arguments) {
  ExportFlags flags;
  const auto words = TRY(parseFlags(
      arguments, {textFlag("o", flags.output), textFlag("output", flags.output), quoteFlag(flags),
                  textFlag("nonce", flags.nonce), boolFlag("overwrite", flags.overwrite)}));
  if (words.size() != 1) return usage("it takes one pod");
  const auto said = TRY(selectLines(options, {.pod = words[0]}));
  const auto started = std::ranges::find_if(said, [](const audit::Line& line) {
    return line.code() == "allowed" && line.fields["subject"].contains("apps");
  });
  if (started == said.end())
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "the audit record has no start of a pod " + airlock::quoted(words[0]));
  const std::string pod = started->subject("pod");
  if (std::ranges::any_of(said, [&](const audit::Line& line) {
        return !line.subject("pod").empty() && line.subject("pod") != pod;
      }))
    return refuse(ErrorKind::Invalid, "E_AMBIGUOUS", "several pods begin so", "Write out the UUID");
  if (flags.output.empty()) flags.output = pod + ".evidence";
  const std::string boot = started->word("boot");
  const EvidenceFiles quote = TRY(quoteFor(options, flags));
  EvidenceFiles evidence;
  std::vector<audit::Line> lines;
  std::vector<std::string> notes;
  TRY(addLines(options, boot, evidence, lines));
  if (boot == TRY(thisBoot())) {
    TRY(addLogs(options, evidence));
  } else {
    notes.push_back(
        "the pod ran in an earlier boot, whose register is gone: only a quote of then proves it");
  }
  TRY(addImages(options, said, evidence, notes));
  TRY(addConfiguration(options, evidence));
  for (const auto& [name, content] : quote) evidence[name] = content;
  return write(options, evidence, flags, lines.size(), notes);
}

}  // namespace airlock::cli
