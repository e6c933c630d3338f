// SPDX-License-Identifier: Apache-2.0
#include "cli/quote_client.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/accounts.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/names.h"
#include "base/syscall.h"
#include "cli/helper_client.h"
#include "tpm/canonical.h"

namespace airlock::cli {

namespace {

constexpr char kEventLog[] = "events.cel";

Result<HelperAnswer> askInTurn(const Options& options, const ipc::QuoteRequest& request) {
  constexpr int kTries = 12;
  constexpr int kPauseMilliseconds = 1050;
  for (int attempt = 1;; ++attempt) {
    auto answer = askHelper(options, ipc::AttestRequest{request}, {});
    if (answer || answer.error().code() != "E_ATTEST_BUSY" || attempt == kTries) return answer;
    static_cast<void>(::poll(nullptr, 0, kPauseMilliseconds));
  }
}

// What was quoted of the register of the log is what the log leads to.
Result<void> expectAgreement(const tpm::Replay& log, const std::string& pcrs) {
  const tpm::Json quoted = TRY(tpm::parseCanonical(pcrs, 3, "the quoted registers"));
  const std::string number = std::to_string(log.chain.pcr);
  for (const ipc::PcrBank& bank : tpm::bankTexts(log.chain.values)) {
    const auto values = quoted.find(bank.algorithm);
    const bool same = values != quoted.end() && values->is_object() && values->contains(number) &&
                      values->at(number) == bank.value;
    if (same) continue;
    return refuse(ErrorKind::Failed, "E_ATTEST_LOG",
                  "the log does not lead to the value of PCR " + number + " that was quoted",
                  "somebody extends it besides airlock: see airlock tpm log");
  }
  return {};
}

Result<std::uint32_t> registersOf(std::string_view list) {
  const auto bad = [&] {
    return refuse(ErrorKind::Invalid, "E_USAGE", quoted(list) + " are no registers",
                  "write for example --pcrs=sha256:0-7,14+sha384:15");
  };
  std::uint32_t mask = 0;
  for (;;) {
    const auto comma = list.find(',');
    const std::string_view range = list.substr(0, comma);
    const auto dash = range.find('-');
    const auto first = parseNumber(range.substr(0, dash));
    const auto last = dash == range.npos ? first : parseNumber(range.substr(dash + 1));
    if (!first || !last || *first > *last || *last > limits::kPcrMax) return bad();
    for (unsigned pcr = *first; pcr <= *last; ++pcr) mask |= 1U << pcr;
    if (comma == list.npos) return mask;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<std::string> parseNonce(std::string hex) {
  std::ranges::transform(hex, hex.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::size_t size = hex.size() / 2;
  std::vector<std::uint8_t> bytes(size);
  if (size < limits::kNonceLeastBytes || size > limits::kNonceMostBytes || !fromHex(hex, bytes)) {
    return refuse(ErrorKind::Invalid, "E_USAGE",
                  "--nonce takes what the verifier asks with: 16 to 64 bytes in hex",
                  "he makes one for each question: openssl rand -hex 32");
  }
  return std::string(bytes.begin(), bytes.end());
}

Result<std::vector<ipc::PcrSelection>> parsePcrs(std::string_view list) {
  std::vector<ipc::PcrSelection> selection;
  while (!list.empty()) {
    const auto plus = list.find('+');
    const std::string_view one = list.substr(0, plus);
    const auto colon = one.find(':');
    const std::string_view registers = colon == one.npos ? one : one.substr(colon + 1);
    selection.push_back({std::string(colon == one.npos ? "sha256" : one.substr(0, colon)),
                         TRY(registersOf(registers))});
    list.remove_prefix(plus == list.npos ? list.size() : plus + 1);
  }
  return selection;
}

image::Json factsJson(const std::vector<std::pair<std::string, std::string>>& facts) {
  image::Json object = image::Json::object();
  for (const auto& [name, value] : facts) {
    std::string member = name;
    std::ranges::replace(member, ' ', '_');
    object[member] = value;
  }
  return object;
}

Result<HostQuote> obtainQuote(const Options& options, const ipc::QuoteRequest& request) {
  HelperAnswer answer = TRY(askInTurn(options, request));
  auto* attested = std::get_if<ipc::Attested>(&answer.reply);
  const std::size_t logs = attested != nullptr && attested->hasFirmwareLog ? 2 : 1;
  if (attested == nullptr || answer.fds.size() != logs) {
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  }
  HostQuote quote{.files = {}, .facts = attested->facts, .anchor = attested->anchor, .log = {}};
  for (ipc::AttestedFile& file : attested->files) quote.files[file.name] = file.content;

  std::string log = TRY(sys::readAll(answer.fds[0], limits::kEventLogBytes));
  if (log.size() > attested->logBytes) log.resize(attested->logBytes);  // later events
  quote.log = TRY(inContext(tpm::replayText(log), "the measurement log"));
  TRY(expectAgreement(quote.log, quote.files["pcrs"]));
  quote.files[kEventLog] = std::move(log);
  if (attested->hasFirmwareLog) {
    auto firmware = TRY(
        inContext(sys::readAll(answer.fds[1], limits::kFirmwareLogBytes), "the firmware's log"));
    quote.files["firmware.log"] = std::move(firmware);
  }
  const Fd line = TRY(sys::openPath("/proc/cmdline", O_RDONLY));
  quote.files["kernel-cmdline"] = TRY(sys::readAll(line, limits::kKernelCommandLineBytes));
  return quote;
}

}  // namespace airlock::cli
