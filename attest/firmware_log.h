// SPDX-License-Identifier: Apache-2.0
// The log of what the firmware and the boot loader measured (TCG PC Client Platform Firmware
// Profile 1.06, section 10, "crypto agile"), as Linux shows it in binary_bios_measurements.
// airlock-attest; fuzzed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tpm/hash.h"

namespace airlock::attest {

// The types that we look into (section 10.4.1).
enum class FirmwareType : std::uint32_t {
  NoAction = 0x3,
  Separator = 0x4,
  Action = 0x5,
  Tag = 0x6,
  CrtmVersion = 0x8,
  Ipl = 0xd,
  DriverConfig = 0x80000001,
  BootVariable = 0x80000002,
  BootApplication = 0x80000003,
  Gpt = 0x80000006,
  EfiAction = 0x80000007,
  BootVariableWhole = 0x8000000c,
  Authority = 0x800000e0
};

struct FirmwareEvent {
  std::uint32_t pcr = 0;
  FirmwareType type = FirmwareType::NoAction;
  tpm::Banks digests;
  std::string_view data;  // a view into the log
};

struct FirmwareLog {
  std::vector<FirmwareEvent> events;
  // What the registers hold after it: by bank, by register.  Only of registers that have events.
  std::map<std::uint16_t, std::map<std::uint32_t, tpm::Bytes>> registers;
  // How many events have a digest that we computed again from their data.
  std::size_t recomputed = 0;
};

// E_ATTEST_FIRMWARE: the log is not whole, or an event's data is not what its digest is of, for the
// types whose digest is over the data.  Anything else in an event's data is a comment that nobody
// vouches for.
Result<FirmwareLog> readFirmwareLog(std::string_view bytes);

// How far the kernel's command line, as /proc/cmdline has it, is what was measured: by the boot
// loader (GRUB), systemd-stub or the kernel's own EFI stub.  Root can extend the registers of all
// three later, and a digest says nothing of its event's type: only the first event of register 9,
// where the EFI stub of a kernel that was started without GRUB puts its line, is nobody else's.
enum class CommandLine {
  NotMeasured,
  Fits,  // an event is of it, and might have been added
  Measured,
  Differs
};
CommandLine commandLineOf(const FirmwareLog& log, std::string_view commandLine);

// SHA-256 digests (Authenticode) of the EFI programs that were started, in order; hex.  Of register
// 4 all events, whatever their type says, that are no separator and no text for people: root can
// add some there, behind those of the boot, and can hide none.
std::vector<std::string> startedPrograms(const FirmwareLog& log);

}  // namespace airlock::attest
