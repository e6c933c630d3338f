// SPDX-License-Identifier: Apache-2.0
#include "attest/firmware_log.h"

#include <algorithm>
#include <optional>

#include "attest/cursor.h"
#include "attest/refusal.h"
#include "base/digest.h"
#include "base/limits.h"

namespace airlock::attest {

namespace {

constexpr std::uint32_t kRegisters = 24;
constexpr std::uint32_t kProgramsRegister = 4;
constexpr std::uint32_t kLoadOptionsRegister = 9;
constexpr std::string_view kSpecId("Spec ID Event03\0", 16);
constexpr std::string_view kStartupLocality("StartupLocality\0", 16);
constexpr std::size_t kLegacyDigest = 20;  // of the first event, which is in SHA-1's format

std::unexpected<Error> badLog(std::string what) {
  return refuseEvidence("E_ATTEST_FIRMWARE", "the firmware's log " + std::move(what));
}

struct Algorithm {
  std::uint16_t id;
  std::size_t bytes;
};

// TCG_PCR_EVENT with a TCG_EfiSpecIdEvent: which banks the events have.
Result<std::vector<Algorithm>> readSpecId(Cursor& cursor) {
  const std::uint32_t pcr = TRY(cursor.little32());
  const std::uint32_t type = TRY(cursor.little32());
  TRY(cursor.take(kLegacyDigest));
  Cursor event(TRY(cursor.take(TRY(cursor.little32()))), cursor.code());
  if (pcr != 0 || type != static_cast<std::uint32_t>(FirmwareType::NoAction)) {
    return badLog("does not begin with its specification's identity");
  }
  if (TRY(event.take(kSpecId.size())) != kSpecId) return badLog("is not crypto agile");
  TRY(event.take(8));  // platform class, version, errata, size of UINTN
  const std::uint32_t count = TRY(event.little32());
  if (count == 0 || count > limits::kPcrBanks) return badLog("names no banks, or too many");
  std::vector<Algorithm> algorithms;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Algorithm algorithm{TRY(event.little16()), TRY(event.little16())};
    const tpm::HashAlgorithm* known = tpm::findHash(algorithm.id);
    if (std::ranges::count(algorithms, algorithm.id, &Algorithm::id) != 0 ||
        (known != nullptr && known->bytes != algorithm.bytes) || algorithm.bytes > kDigestBytes) {
      return badLog("names its banks wrongly");
    }
    algorithms.push_back(algorithm);
  }
  TRY(event.take(TRY(event.byte())));
  if (!event.empty()) return badLog("has something after its specification's identity");
  return algorithms;
}

// TCG_PCR_EVENT2.  Digests of algorithms that we cannot compute are passed over.
Result<FirmwareEvent> readEvent(Cursor& cursor, const std::vector<Algorithm>& algorithms) {
  FirmwareEvent event;
  event.pcr = TRY(cursor.little32());
  event.type = static_cast<FirmwareType>(TRY(cursor.little32()));
  if (TRY(cursor.little32()) != algorithms.size()) {
    return badLog("has an event without a digest for every bank");
  }
  std::vector<std::uint16_t> seen;
  for (std::size_t i = 0; i < algorithms.size(); ++i) {
    const std::uint16_t id = TRY(cursor.little16());
    const auto algorithm = std::ranges::find(algorithms, id, &Algorithm::id);
    if (algorithm == algorithms.end() || std::ranges::count(seen, id) != 0) {
      return badLog("has an event with a digest of a bank that it does not have");
    }
    seen.push_back(id);
    const std::string_view digest = TRY(cursor.take(algorithm->bytes));
    if (tpm::findHash(id) != nullptr) {
      event.digests.push_back({id, tpm::Bytes(digest.begin(), digest.end())});
    }
  }
  std::ranges::sort(event.digests, {}, &tpm::BankValue::algorithm);
  event.data = TRY(cursor.take(TRY(cursor.little32())));
  if (event.type != FirmwareType::NoAction && event.pcr >= kRegisters) {
    return badLog("has an event for a register that no TPM has");
  }
  return event;
}

bool isDigestOf(const FirmwareEvent& event, std::string_view data) {
  return tpm::digests(event.digests, data) == event.digests;
}

// What is no program, by its digest: a separator, or a text.  A program has zeros in its header,
// and more than four bytes.
bool isSeparatorOrText(const FirmwareEvent& event) {
  constexpr std::size_t kSeparator = 4;
  const bool text = std::ranges::all_of(event.data, [](char c) { return c >= ' ' && c <= '~'; });
  return (event.data.size() == kSeparator || text) && isDigestOf(event, event.data);
}

// UEFI_VARIABLE_DATA: GUID, UnicodeNameLength, VariableDataLength, name, data.
std::optional<std::string_view> variableContent(std::string_view data) {
  Cursor cursor(data, "E_ATTEST_FIRMWARE");
  if (!cursor.take(16)) return std::nullopt;
  const auto name = cursor.little64();
  const auto content = cursor.little64();
  if (!name || !content || *name > data.size() || *content > data.size()) return std::nullopt;
  if (!cursor.take(static_cast<std::size_t>(*name) * 2)) return std::nullopt;
  const auto bytes = cursor.take(static_cast<std::size_t>(*content));
  if (!bytes || !cursor.empty()) return std::nullopt;
  return *bytes;
}

// GRUB writes what it measured behind a word for people.
std::optional<std::string_view> grubText(std::string_view data) {
  if (data.ends_with('\0')) data.remove_suffix(1);
  for (const std::string_view word : {"grub_cmd: ", "kernel_cmdline: ", "module_cmdline: "}) {
    if (data.starts_with(word)) return data.substr(word.size());
  }
  return std::nullopt;
}

enum class DataCheck { Comment, Good, Wrong };
DataCheck verdict(bool good) { return good ? DataCheck::Good : DataCheck::Wrong; }

// The types whose digest is over the event's data (section 10.4.1, table "Events").
DataCheck checkData(const FirmwareEvent& event) {
  switch (event.type) {
    case FirmwareType::Separator:
    case FirmwareType::Action:
    case FirmwareType::CrtmVersion:
    case FirmwareType::DriverConfig:
    case FirmwareType::Gpt:
    case FirmwareType::EfiAction:
    case FirmwareType::BootVariableWhole:
    case FirmwareType::Authority:
      return verdict(isDigestOf(event, event.data));
    case FirmwareType::BootVariable: {
      // Older firmware hashes what the variable holds, without its name.
      const auto content = variableContent(event.data);
      return verdict(isDigestOf(event, event.data) || (content && isDigestOf(event, *content)));
    }
    case FirmwareType::Ipl: {
      const auto text = grubText(event.data);
      return text ? verdict(isDigestOf(event, *text)) : DataCheck::Comment;
    }
    case FirmwareType::NoAction:
    case FirmwareType::Tag:
    case FirmwareType::BootApplication:
      return DataCheck::Comment;
  }
  return DataCheck::Comment;
}

bool isAfter(const FirmwareEvent& event, const FirmwareLog& log) {
  return std::ranges::any_of(log.registers,
                             [&](const auto& bank) { return bank.second.contains(event.pcr); });
}

// The locality of TPM2_Startup, or of a measured start before it, is what register 0 begins with.
Result<void> noAction(const FirmwareEvent& event, FirmwareLog& log,
                      const std::vector<Algorithm>& algorithms) {
  if (!event.data.starts_with(kStartupLocality)) return {};
  if (event.data.size() != kStartupLocality.size() + 1 || event.pcr != 0) {
    return badLog("says wrongly how the TPM was started");
  }
  if (isAfter(event, log)) return badLog("says too late how the TPM was started");
  for (const Algorithm& algorithm : algorithms) {
    if (tpm::findHash(algorithm.id) == nullptr) continue;
    tpm::Bytes value(algorithm.bytes);
    value.back() = static_cast<std::uint8_t>(event.data.back());
    log.registers[algorithm.id][0] = std::move(value);
  }
  return {};
}

void extend(FirmwareLog& log, const FirmwareEvent& event) {
  for (const tpm::BankValue& digest : event.digests) {
    auto& value = log.registers[digest.algorithm][event.pcr];
    if (value.empty()) value.resize(digest.value.size());
    value = tpm::extended({{digest.algorithm, value}}, {digest}).front().value;
  }
}

std::string utf16(std::string_view ascii) {
  std::string wide;
  for (const char c : ascii) wide.append({c, '\0'});
  return wide;
}

// The digests that a loader can have made of this command line.
bool measuresExactly(const FirmwareEvent& event, std::string_view line) {
  const std::string wide = utf16(line);
  const std::string ended = wide + std::string(2, '\0');
  return isDigestOf(event, line) || isDigestOf(event, wide) || isDigestOf(event, ended);
}

// LOAD_OPTIONS_EVENT_TAG_ID of Linux (drivers/firmware/efi/libstub/efi-stub-helper.c).
bool isLoadOptions(const FirmwareEvent& event) {
  constexpr std::uint32_t kLoadOptions = 0x8f3b22ed;
  if (event.type != FirmwareType::Tag) return false;
  const auto tag = Cursor(event.data, "E_ATTEST_FIRMWARE").little32();
  return tag && *tag == kLoadOptions;
}

bool isGrubLine(const FirmwareEvent& event) {
  return event.type == FirmwareType::Ipl && event.data.starts_with("kernel_cmdline: ");
}

bool isStubLine(const FirmwareEvent& event) {
  // systemd-stub: the event's data are the line itself, in UTF-16.
  return event.type == FirmwareType::Ipl && (event.pcr == 12 || event.pcr == 8) &&
         event.data.size() > 4 && event.data.size() % 2 == 0 && event.data[1] == '\0' &&
         isDigestOf(event, event.data);
}

}  // namespace

Result<FirmwareLog> readFirmwareLog(std::string_view bytes) {
  if (bytes.size() > limits::kFirmwareLogBytes) return badLog("is too large");
  Cursor cursor(bytes, "E_ATTEST_FIRMWARE");
  const std::vector<Algorithm> algorithms = TRY(readSpecId(cursor));
  FirmwareLog log;
  while (!cursor.empty()) {
    if (log.events.size() == limits::kFirmwareEvents) return badLog("has too many events");
    FirmwareEvent event = TRY(readEvent(cursor, algorithms));
    const std::string name = "event " + std::to_string(log.events.size() + 1);
    switch (checkData(event)) {
      case DataCheck::Good:
        ++log.recomputed;
        break;
      case DataCheck::Wrong:
        return badLog("was edited, or the firmware met an error: the data of its " + name +
                      " is not what its digest is of");
      case DataCheck::Comment:
        break;
    }
    if (event.type == FirmwareType::NoAction) {
      TRY(noAction(event, log, algorithms));
    } else {
      extend(log, event);
    }
    log.events.push_back(std::move(event));
  }
  return log;
}

CommandLine commandLineOf(const FirmwareLog& log, std::string_view commandLine) {
  while (commandLine.ends_with('\n') || commandLine.ends_with('\0')) commandLine.remove_suffix(1);
  // GRUB measures the kernel's path where /proc/cmdline has BOOT_IMAGE=.
  std::string_view grub = commandLine;
  if (grub.starts_with("BOOT_IMAGE=")) grub.remove_prefix(11);
  // With a space at its end, as the EFI stub gets it from some loaders.
  const std::string spaced = std::string(commandLine) + ' ';
  const auto fits = [&](const FirmwareEvent& event) {
    return measuresExactly(event, commandLine) || measuresExactly(event, grub) ||
           measuresExactly(event, spaced);
  };
  const auto first = std::ranges::find_if(log.events, [](const FirmwareEvent& event) {
    return event.pcr == kLoadOptionsRegister && event.type != FirmwareType::NoAction;
  });
  if (first != log.events.end() && fits(*first)) return CommandLine::Measured;
  if (first != log.events.end() && isLoadOptions(*first)) return CommandLine::Differs;
  CommandLine found = CommandLine::NotMeasured;
  for (const FirmwareEvent& event : log.events) {
    if (!isLoadOptions(event) && !isGrubLine(event) && !isStubLine(event)) continue;
    if (fits(event)) return CommandLine::Fits;
    found = CommandLine::Differs;
  }
  return found;
}

std::vector<std::string> startedPrograms(const FirmwareLog& log) {
  std::vector<std::string> programs;
  for (const FirmwareEvent& event : log.events) {
    if (event.pcr != kProgramsRegister || event.type == FirmwareType::NoAction) continue;
    if (isSeparatorOrText(event)) continue;
    for (const tpm::BankValue& digest : event.digests) {
      if (digest.algorithm == tpm::kSha256) programs.push_back(toHex(digest.value));
    }
  }
  return programs;
}

}  // namespace airlock::attest
