// SPDX-License-Identifier: Apache-2.0
// airlock tpm log
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/go_format.h"
#include "cli/helper_client.h"
#include "cli/options.h"
#include "cli/text_output.h"
#include "image/json.h"
#include "tpm/cel_tlv.h"
#include "tpm/replay.h"

namespace airlock::cli {

namespace {

enum class Agreement { Matches, Differs, NoRegister };

constexpr std::string_view kHowToMeasure =
    "To have it measured: a TPM 2.0 at /dev/tpmrm0, or `measure software-tpm=SOCKET` in the "
    "policy\n";

std::string tpmName(const ipc::Reported& report) {
  if (report.tpm == "software") return "software TPM";
  if (report.tpm == "hardware") return "hardware TPM";
  // A register can be read and still not be what this log was extended into.
  return report.banks.empty() ? "no TPM" : "TPM of unknown kind";
}

image::Json toJson(const tpm::Replay& replay, const ipc::Reported& report, Agreement agreement) {
  image::Json document;
  document["tpm"] = report.tpm;
  document["mode"] = report.measureMode;
  document["pcr"] = report.pcr;
  document["replay"] = agreement == Agreement::Matches   ? "matches"
                       : agreement == Agreement::Differs ? "differs"
                                                         : "no-register";
  document["registers"] = image::Json::object();
  for (const ipc::PcrBank& bank : report.banks) document["registers"][bank.algorithm] = bank.value;
  document["log"] = image::Json::object();
  for (const ipc::PcrBank& bank : tpm::bankTexts(replay.chain.values))
    document["log"][bank.algorithm] = bank.value;
  document["records"] = image::Json::array();
  for (const tpm::Record& record : replay.records) {
    image::Json entry;
    entry["number"] = record.number;
    entry["type"] = record.event.type;
    entry["digests"] = image::Json::object();
    for (const ipc::PcrBank& bank : tpm::bankTexts(record.digests))
      entry["digests"][bank.algorithm] = bank.value;
    entry["event"] = record.event.payload;
    document["records"].push_back(entry);
  }
  return document;
}

void print(const tpm::Replay& replay, const ipc::Reported& report, Agreement agreement) {
  constexpr std::size_t shown = 12;
  std::vector<std::vector<std::string>> rows;
  for (const tpm::Record& record : replay.records) {
    const auto banks = tpm::bankTexts(record.digests);
    rows.push_back(
        {std::to_string(record.number), printable(record.event.type),
         banks.empty() ? "-" : banks.back().algorithm + ":" + banks.back().value.substr(0, shown),
         tpm::summarize(record.event)});
  }
  out(tabulate(rows));
  out(std::to_string(replay.records.size()) + " record(s), PCR " + std::to_string(report.pcr) +
      ", " + tpmName(report) + ", measurement " + printable(report.measureMode) + "\n");
  for (const ipc::PcrBank& bank : tpm::bankTexts(replay.chain.values)) {
    out("log      " + bank.algorithm + " " + bank.value + "\n");
  }
  for (const ipc::PcrBank& bank : report.banks) {
    out("register " + printable(bank.algorithm) + " " + printable(bank.value) + "\n");
  }
  switch (agreement) {
    case Agreement::Matches:
      out("the log replays to the register of the " + tpmName(report) + "\n");
      break;
    case Agreement::Differs:
      out("the log does NOT replay to the register of the " + tpmName(report) +
          ": it was changed or cut, or something else extended PCR " + std::to_string(report.pcr) +
          ". What ran since boot cannot be told from it; a reboot starts both anew\n");
      break;
    case Agreement::NoRegister:
      out("no TPM, so no register to compare with: the log alone proves nothing. ");
      out(kHowToMeasure);
      break;
  }
}

// TCG's Canonical Event Log, for other tools: the records alone, as bytes.
Result<int> printInterchange(const tpm::Replay& replay, const std::string& format) {
  for (const tpm::Record& record : replay.records) {
    out(format == "cel-tlv" ? tpm::encodeTlv(record) : tpm::encodeRecord(record));
  }
  return 0;
}

}  // namespace

Result<int> tpmLog(const Options& options, const std::vector<std::string>& arguments) {
  std::string format;
  if (!TRY(parseFlags(arguments, {textFlag("format", format)})).empty())
    return refuse(ErrorKind::Invalid, "E_USAGE", "tpm log takes no argument");
  if (!format.empty() && format != "cel-json" && format != "cel-tlv")
    return refuse(ErrorKind::Invalid, "E_USAGE", "--format takes cel-json or cel-tlv");
  const HelperAnswer answer = TRY(askHelper(options, ipc::ReportRequest{}, {}));
  const auto* report = std::get_if<ipc::Reported>(&answer.reply);
  if (report == nullptr)
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  tpm::Replay replay;
  if (report->hasLog && !answer.fds.empty()) {
    replay = TRY(inContext(tpm::replayLog(answer.fds.front()), "the measurement log"));
  }
  if (!format.empty()) return printInterchange(replay, format);
  Agreement agreement = Agreement::NoRegister;
  if (!report->banks.empty()) {
    // Without a record there is nothing that the register would have to hold: it may be the
    // firmware's.
    const bool same = replay.records.empty() || tpm::matches(replay, report->banks);
    agreement = same ? Agreement::Matches : Agreement::Differs;
  }
  if (options.json) {
    printJson(toJson(replay, *report, agreement));
  } else if (replay.records.empty()) {
    out("nothing has been measured since this boot (PCR " + std::to_string(report->pcr) + ", " +
        tpmName(*report) + ", measurement " + printable(report->measureMode) + ")\n");
    if (report->banks.empty()) out(kHowToMeasure);
  } else {
    print(replay, *report, agreement);
  }
  return agreement == Agreement::Differs ? kExitFailure : 0;
}

}  // namespace airlock::cli
