// SPDX-License-Identifier: Apache-2.0
// A quote of this host with the logs that go with it: evidence, as docs/measurement.md names its
// files.  CLI only.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/evidence_file.h"
#include "image/json.h"
#include "ipc/attest_messages.h"
#include "tpm/replay.h"

namespace airlock::cli {

struct HostQuote {
  EvidenceFiles files;  // "quote", "events.cel", …
  std::vector<std::pair<std::string, std::string>> facts;
  std::string anchor;  // "hardware" or "software", as this host has it
  tpm::Replay log;     // leads to what was quoted
};

// Asks the helper, again where this user's turn has not come (E_ATTEST_BUSY).  What comes back is
// checked to belong together, so that a verifier need not be the first to find that it does not.
Result<HostQuote> obtainQuote(const Options& options, const ipc::QuoteRequest& request);

// What is told of keys, for programs: "attestation key" is the member "attestation_key".
image::Json factsJson(const std::vector<std::pair<std::string, std::string>>& facts);

// "00ff…" of 16 to 64 bytes, of a question to this host or of the answer to it.  E_USAGE
Result<std::string> parseNonce(std::string hex);
// "sha256:0-7,14+sha384:15", as tpm2-tools have it, and ranges.  E_USAGE
Result<std::vector<ipc::PcrSelection>> parsePcrs(std::string_view list);

}  // namespace airlock::cli
