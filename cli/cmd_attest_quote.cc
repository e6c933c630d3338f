// SPDX-License-Identifier: Apache-2.0
// airlock attest quote
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/quote_client.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

std::string namesOf(const EvidenceFiles& files) {
  std::string names;
  for (const auto& [name, content] : files) names += (names.empty() ? "" : " ") + printable(name);
  return names;
}

void print(const HostQuote& quote, const std::string& directory) {
  const auto& records = quote.log.records;
  const auto pods = std::ranges::count_if(
      records, [](const tpm::Record& record) { return record.event.type == "pod"; });
  for (const auto& [name, value] : quote.facts)
    out(printable(name) + "\t" + printable(value) + "\n");
  out("quoted\tPCR " + std::to_string(quote.log.chain.pcr) + " after " +
      std::to_string(records.size()) + " record(s), " + std::to_string(pods) + " of them pods\n");
  out("tpm\t" + printable(quote.anchor) +
      (quote.anchor == "software" ? ": proves nothing to somebody who does not trust its host\n"
                                  : "\n"));
  out("files\t" + printable(directory) + ": " + namesOf(quote.files) + "\n");
}

image::Json toJson(const HostQuote& quote) {
  image::Json document;
  document["tpm"] = quote.anchor;
  document["pcr"] = quote.log.chain.pcr;
  document["records"] = quote.log.records.size();
  document["boot_id"] = quote.log.chain.bootId;
  document["facts"] = factsJson(quote.facts);
  document["files"] = image::Json::array();
  for (const auto& [name, content] : quote.files) document["files"].push_back(name);
  return document;
}

}  // namespace

Result<int> attestQuote(const Options& options, const std::vector<std::string>& arguments) {
  std::string nonce;
  std::string pcrs;
  std::string directory;
  const auto operands =
      TRY(parseFlags(arguments, {textFlag("nonce", nonce), textFlag("pcrs", pcrs),
                                 textFlag("output", directory), textFlag("o", directory)}));
  if (!operands.empty() || nonce.empty() || directory.empty()) {
    return refuse(ErrorKind::Invalid, "E_USAGE",
                  "attest quote takes --nonce=HEX and --output=DIR, and no argument",
                  "the verifier makes the nonce: openssl rand -hex 32");
  }
  const ipc::QuoteRequest request{.nonce = TRY(parseNonce(nonce)),
                                  .selection = TRY(parsePcrs(pcrs))};
  const HostQuote quote = TRY(obtainQuote(options, request));
  TRY(writeFiles(directory, quote.files));
  if (options.json) {
    printJson(toJson(quote));
  } else {
    print(quote, directory);
  }
  return 0;
}

}  // namespace airlock::cli
