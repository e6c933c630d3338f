// SPDX-License-Identifier: Apache-2.0
// A firmware's log as OVMF and GRUB write it.  Tests and seeds of airlock-attest only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/firmware_log.h"

namespace airlock::attest::test {

class FirmwareLogWriter {
 public:
  explicit FirmwareLogWriter(std::vector<std::uint16_t> banks = {tpm::kSha256});
  // `hashed` is what the digest is of; the data where it is not given.
  FirmwareLogWriter& add(std::uint32_t pcr, FirmwareType type, std::string_view data,
                         std::optional<std::string_view> hashed = std::nullopt);
  const std::string& bytes() const { return bytes_; }
  // "0:sha256=<hex>" of each event that extends a register, as tpm2_pcrextend takes it.
  const std::vector<std::string>& extends() const { return extends_; }

 private:
  std::vector<std::uint16_t> banks_;
  std::string bytes_;
  std::vector<std::string> extends_;
};

// Firmware, separators, a variable, the kernel as an EFI program, its command line by the EFI stub.
FirmwareLogWriter usualBoot(std::string_view commandLine = "root=/dev/vda1 quiet",
                            std::string_view kernel = "the kernel",
                            std::vector<std::uint16_t> banks = {tpm::kSha256});
// What the EFI stub writes beside the digest of its command line.
std::string loadOptionsTag();
// SHA-256 of the kernel in usualBoot().
std::string usualKernel();

std::string utf16Of(std::string_view ascii);  // with its NUL

}  // namespace airlock::attest::test
