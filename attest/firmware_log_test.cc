// SPDX-License-Identifier: Apache-2.0
// What the firmware measured, as it is read back.
#include "attest/firmware_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/firmware_for_test.h"
#include "base/digest.h"

namespace airlock::attest {
namespace {

using std::string_literals::operator""s;
using test::FirmwareLogWriter;
using testing::ElementsAre;
using testing::HasSubstr;

void expectRefused(const std::string& bytes, const std::string& why) {
  const auto log = readFirmwareLog(bytes);
  ASSERT_FALSE(log) << why;
  EXPECT_EQ(log.error().code(), "E_ATTEST_FIRMWARE") << log.error().text();
}

TEST(FirmwareLog, LeadsToWhatItsEventsExtend) {
  FirmwareLogWriter writer({tpm::kSha256, tpm::kSha384});
  writer.add(3, FirmwareType::Action, "one").add(3, FirmwareType::Action, "two");
  const FirmwareLog log = readFirmwareLog(writer.bytes()).value();
  ASSERT_EQ(log.events.size(), 2U);
  for (const std::uint16_t bank : {tpm::kSha256, tpm::kSha384}) {
    tpm::Banks value{{bank, tpm::Bytes(tpm::findHash(bank)->bytes)}};
    for (const std::string_view data : {"one", "two"}) {
      value = tpm::extended(value, tpm::digests(value, data));
    }
    EXPECT_EQ(log.registers.at(bank).at(3), value.front().value);
  }
  EXPECT_EQ(log.recomputed, 2U);
}

TEST(FirmwareLog, OfAUsualBootNamesTheKernelAndItsCommandLine) {
  const auto writer = test::usualBoot("root=/dev/vda1 quiet");
  const FirmwareLog log = readFirmwareLog(writer.bytes()).value();
  EXPECT_THAT(startedPrograms(log), ElementsAre(test::usualKernel()));
  EXPECT_EQ(commandLineOf(log, "root=/dev/vda1 quiet\n"), CommandLine::Measured);
  EXPECT_EQ(commandLineOf(log, "root=/dev/vda1 init=/bin/sh\n"), CommandLine::Differs);
}

TEST(FirmwareLog, ACommandLineIsKnownAsGrubAndSystemdStubMeasureIt) {
  FirmwareLogWriter grub;
  grub.add(8, FirmwareType::Ipl, "kernel_cmdline: /vmlinuz root=UUID=1 ro\0"s,
           "/vmlinuz root=UUID=1 ro");
  const FirmwareLog ofGrub = readFirmwareLog(grub.bytes()).value();
  EXPECT_EQ(commandLineOf(ofGrub, "BOOT_IMAGE=/vmlinuz root=UUID=1 ro\n"), CommandLine::Fits);
  EXPECT_EQ(commandLineOf(ofGrub, "BOOT_IMAGE=/vmlinuz root=UUID=2 ro\n"), CommandLine::Differs);

  FirmwareLogWriter stub;
  stub.add(12, FirmwareType::Ipl, test::utf16Of("root=UUID=1"));
  const FirmwareLog ofStub = readFirmwareLog(stub.bytes()).value();
  EXPECT_EQ(commandLineOf(ofStub, "root=UUID=1\n"), CommandLine::Fits);

  FirmwareLogWriter none;
  none.add(4, FirmwareType::Action, "Calling INT 19h");
  EXPECT_EQ(commandLineOf(readFirmwareLog(none.bytes()).value(), "quiet"),
            CommandLine::NotMeasured);
}

TEST(FirmwareLog, EveryEventOfRegister4ThatIsNoTextIsAProgram) {
  FirmwareLogWriter writer;
  writer.add(4, FirmwareType::EfiAction, "Calling EFI Application from Boot Option")
      .add(4, FirmwareType::Separator, "\0\0\0\0"s)
      .add(4, FirmwareType::Tag, "shim", "a loader")
      .add(4, static_cast<FirmwareType>(0x12), "MZ\x90\0\3"s)
      .add(4, FirmwareType::EfiAction, "MZ\x90\0\1"s)
      .add(2, FirmwareType::BootApplication, "an adapter's", "a driver");
  const auto digest = [](std::string_view bytes) { return toHex(tpm::hash(tpm::kSha256, bytes)); };
  EXPECT_THAT(startedPrograms(readFirmwareLog(writer.bytes()).value()),
              ElementsAre(digest("a loader"), digest("MZ\x90\0\3"s), digest("MZ\x90\0\1"s)));
}

TEST(FirmwareLog, AnEventWhoseDataWasEditedIsFound) {
  for (const FirmwareType type :
       {FirmwareType::Separator, FirmwareType::Action, FirmwareType::CrtmVersion,
        FirmwareType::DriverConfig, FirmwareType::BootVariable, FirmwareType::Gpt,
        FirmwareType::EfiAction, FirmwareType::BootVariableWhole, FirmwareType::Authority}) {
    FirmwareLogWriter writer;
    writer.add(1, type, "what it says", "what was measured");
    expectRefused(writer.bytes(), std::to_string(static_cast<std::uint32_t>(type)));
  }
  FirmwareLogWriter grub;
  grub.add(8, FirmwareType::Ipl, "grub_cmd: boot\0"s, "set root=evil");
  expectRefused(grub.bytes(), "a command of GRUB");
}

TEST(FirmwareLog, TheStartOfTheTpmIsWhereRegister0Begins) {
  FirmwareLogWriter writer;
  writer.add(0, FirmwareType::NoAction, "StartupLocality\0\x03"s);
  tpm::Bytes value(32);
  value.back() = 3;
  EXPECT_EQ(readFirmwareLog(writer.bytes())->registers.at(tpm::kSha256).at(0), value);

  FirmwareLogWriter late;
  late.add(0, FirmwareType::Action, "first")
      .add(0, FirmwareType::NoAction, "StartupLocality\0\x03"s);
  expectRefused(late.bytes(), "too late");
}

TEST(FirmwareLog, WhatIsNotWholeIsRefused) {
  const std::string whole = test::usualBoot().bytes();
  ASSERT_TRUE(readFirmwareLog(whole));
  std::size_t cut = 0;
  std::size_t read = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    readFirmwareLog(std::string_view(whole).substr(0, size)) ? ++read : ++cut;
  }
  // Between events it reads: that some are missing only the registers can say.
  EXPECT_EQ(read, readFirmwareLog(whole)->events.size());
  expectRefused(whole + "\1", "something at its end");
  expectRefused("", "nothing");
}

TEST(FirmwareLog, BanksThatDoNotAgreeAreRefused) {
  std::string log = test::usualBoot().bytes();
  const std::size_t size = log.find(std::string("\x0b\0\x20\0", 4));
  ASSERT_NE(size, log.npos);
  log[size + 2] = '\x14';
  expectRefused(log, "SHA-256 of twenty bytes");
}

}  // namespace
}  // namespace airlock::attest
