// SPDX-License-Identifier: Apache-2.0
#include "attest/registers.h"

#include <array>
#include <charconv>

#include "attest/refusal.h"
#include "base/digest.h"
#include "base/limits.h"
#include "tpm/canonical.h"

namespace airlock::attest {

namespace {

// Registers that the firmware and the boot loader extend, and nobody after them
// (docs/measurement.md).
constexpr std::array<std::uint32_t, 11> kFirmwareRegisters{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14};

std::unexpected<Error> badValues(std::string why) {
  return refuseEvidence("E_ATTEST_PCRS", "the values of the registers " + std::move(why));
}

Result<std::uint32_t> parseIndex(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > limits::kPcrMax ||
      std::to_string(number) != text) {
    return badValues("are of a register that no TPM has");
  }
  return number;
}

}  // namespace

std::string bankName(std::uint16_t bank) {
  const tpm::HashAlgorithm* algorithm = tpm::findHash(bank);
  return algorithm == nullptr ? std::to_string(bank) : std::string(algorithm->name);
}

Result<Registers> parseRegisters(std::string_view text) {
  constexpr std::size_t kDepth = 2;
  if (text.size() > limits::kMessageBytes) return badValues("take too much room");
  if (text.ends_with('\n')) text.remove_suffix(1);
  const auto json = tpm::parseCanonical(text, kDepth, "the file");
  if (!json || !json->is_object()) return badValues("are not written as canonical JSON");
  Registers registers;
  for (const auto& [bank, values] : json->items()) {
    const tpm::HashAlgorithm* algorithm = tpm::findHash(std::string_view(bank));
    if (algorithm == nullptr) return badValues("are of a bank that we cannot compute");
    if (!values.is_object()) return badValues("are not written by bank and register");
    for (const auto& [index, value] : values.items()) {
      tpm::Bytes bytes(algorithm->bytes);
      if (!value.is_string() || !fromHex(value.get_ref<const std::string&>(), bytes)) {
        return badValues("are not hexadecimal, in lower case, of their bank's length");
      }
      registers[algorithm->id][TRY(parseIndex(index))] = std::move(bytes);
    }
  }
  return registers;
}

Result<void> expectSelected(const Registers& registers, const std::vector<Selection>& selections) {
  std::size_t selected = 0;
  for (const Selection& selection : selections) {
    const auto bank = registers.find(selection.bank);
    for (const std::uint32_t index : selection.registers) {
      ++selected;
      if (bank == registers.end() || !bank->second.contains(index)) {
        return refuseEvidence("E_ATTEST_SELECTION",
                              "register " + std::to_string(index) +
                                  " was quoted, and its value is not in the evidence");
      }
    }
  }
  std::size_t given = 0;
  for (const auto& [bank, values] : registers) given += values.size();
  if (given == selected) return {};
  return refuseEvidence("E_ATTEST_SELECTION",
                        "the evidence has values of registers that were not quoted");
}

tpm::Bytes quotedDigest(const Registers& registers, const std::vector<Selection>& selections) {
  tpm::Bytes all;
  for (const Selection& selection : selections) {
    for (const std::uint32_t index : selection.registers) {
      const tpm::Bytes& value = registers.at(selection.bank).at(index);
      all.insert(all.end(), value.begin(), value.end());
    }
  }
  return tpm::hash(tpm::kSha256, std::span<const std::uint8_t>(all));
}

Result<std::size_t> compareFirmware(const FirmwareLog& log, const Registers& registers,
                                    std::uint32_t ours) {
  std::size_t compared = 0;
  for (const auto& [bank, values] : registers) {
    const auto logged = log.registers.find(bank);
    for (const std::uint32_t index : kFirmwareRegisters) {
      const auto quoted = values.find(index);
      if (quoted == values.end() || index == ours) continue;
      const tpm::Bytes zero(quoted->second.size());
      const bool known = logged != log.registers.end() && logged->second.contains(index);
      if (quoted->second != (known ? logged->second.at(index) : zero)) {
        return refuseEvidence("E_ATTEST_FIRMWARE",
                              "the firmware's log does not lead to what register " +
                                  std::to_string(index) + " of bank " + bankName(bank) + " held");
      }
      ++compared;
    }
  }
  return compared;
}

}  // namespace airlock::attest
