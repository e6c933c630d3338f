// SPDX-License-Identifier: Apache-2.0
#include "attest/firmware_for_test.h"

#include "base/digest.h"

namespace airlock::attest::test {

namespace {

using std::string_literals::operator""s;

std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return text;
}

std::string variable(std::string_view name, std::string_view content) {
  const std::string wide = utf16Of(name).substr(0, name.size() * 2);
  return std::string(16, '\x61') + little(name.size(), 8) + little(content.size(), 8) + wide +
         std::string(content);
}

}  // namespace

std::string utf16Of(std::string_view ascii) {
  std::string wide;
  for (const char c : ascii) wide.append({c, '\0'});
  return wide + std::string(2, '\0');
}

FirmwareLogWriter::FirmwareLogWriter(std::vector<std::uint16_t> banks) : banks_(std::move(banks)) {
  std::string id =
      "Spec ID Event03\0"s + little(0, 4) + "\0\x02\x69\x02"s + little(banks_.size(), 4);
  for (const std::uint16_t bank : banks_)
    id += little(bank, 2) + little(tpm::findHash(bank)->bytes, 2);
  id.push_back('\0');
  bytes_ = little(0, 4) + little(3, 4) + std::string(20, '\0') + little(id.size(), 4) + id;
}

FirmwareLogWriter& FirmwareLogWriter::add(std::uint32_t pcr, FirmwareType type,
                                          std::string_view data,
                                          std::optional<std::string_view> hashed) {
  bytes_ += little(pcr, 4) + little(static_cast<std::uint32_t>(type), 4) + little(banks_.size(), 4);
  std::string extend;
  for (const std::uint16_t bank : banks_) {
    const tpm::Bytes digest = tpm::hash(bank, hashed.value_or(data));
    bytes_ += little(bank, 2) + std::string(digest.begin(), digest.end());
    extend +=
        (extend.empty() ? "" : ",") + std::string(tpm::findHash(bank)->name) + "=" + toHex(digest);
  }
  bytes_ += little(data.size(), 4) + std::string(data);
  if (type != FirmwareType::NoAction) extends_.push_back(std::to_string(pcr) + ":" + extend);
  return *this;
}

std::string loadOptionsTag() {
  const std::string name = "LOADED_IMAGE::LoadOptions\0"s;
  return little(0x8f3b22ed, 4) + little(name.size(), 4) + name;
}

FirmwareLogWriter usualBoot(std::string_view commandLine, std::string_view kernel,
                            std::vector<std::uint16_t> banks) {
  FirmwareLogWriter log(std::move(banks));
  log.add(0, FirmwareType::CrtmVersion, utf16Of("2022.11"));
  log.add(0, static_cast<FirmwareType>(0x80000008), "a firmware volume", "its content");
  log.add(7, FirmwareType::DriverConfig, variable("SecureBoot", "\x01"));
  log.add(1, FirmwareType::BootVariable, variable("BootOrder", "\x01\0"s), "\x01\0"s);
  log.add(4, FirmwareType::EfiAction, "Calling EFI Application from Boot Option");
  for (std::uint32_t pcr = 0; pcr <= 7; ++pcr) log.add(pcr, FirmwareType::Separator, "\0\0\0\0"s);
  // UEFI_GPT_DATA: a header of 92 bytes, and no partition; UEFI_IMAGE_LOAD_EVENT without a path.
  log.add(5, FirmwareType::Gpt, "EFI PART" + std::string(84 + 8, '\0'));
  log.add(4, FirmwareType::BootApplication, std::string(32, '\0'), kernel);
  log.add(9, FirmwareType::Tag, loadOptionsTag(), utf16Of(commandLine));
  log.add(5, FirmwareType::EfiAction, "Exit Boot Services Invocation");
  return log;
}

std::string usualKernel() { return toHex(tpm::hash(tpm::kSha256, std::string_view("the kernel"))); }

}  // namespace airlock::attest::test
