// SPDX-License-Identifier: Apache-2.0
// What an auditor is given who does not trust this host: the record, the measurement log, and what
// both name.  CLI only.
#pragma once

#include <string>
#include <vector>

#include "audit/log.h"
#include "base/result.h"
#include "cli/command.h"
#include "cli/evidence_file.h"

namespace airlock::cli {

// The boot that the host is in.
Result<std::string> thisBoot();

// audit.jsonl: every line from the first of that boot to the last of it, also of others: the chain
// needs them.  E_NOT_FOUND
Result<void> addLines(const Options& options, const std::string& boot, EvidenceFiles& evidence,
                      std::vector<audit::Line>& lines);
// events.cel, kernel-cmdline, and firmware.log where this user may read it.
Result<void> addLogs(const Options& options, EvidenceFiles& evidence);
// images/<id>/…: of each image that was allowed to run in these lines.  What is not in the store
// any more is told in `notes`.
Result<void> addImages(const Options& options, const std::vector<audit::Line>& lines,
                       EvidenceFiles& evidence, std::vector<std::string>& notes);
// trusted/… and policy/…: what is in force now.
Result<void> addConfiguration(const Options& options, EvidenceFiles& evidence);
// The files of a quote, as `attest quote` wrote them into this directory.  Those that are named
// above are among them, and stand: they belong to the quote.
Result<void> addQuote(const std::string& directory, EvidenceFiles& evidence);
// The same of a quote that is made now; the nonce in hex, or "" for one of our own, which shows
// nothing of when it was made.
Result<void> makeQuote(const Options& options, const std::string& nonce, EvidenceFiles& evidence);

}  // namespace airlock::cli
