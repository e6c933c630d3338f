// SPDX-License-Identifier: Apache-2.0
// Root of a host that booted another kernel, with another command line, than the fleet's owner
// wants.  It can write any firmware log, quote any registers, and extend those of the firmware
// after the boot; the TPM orders the events of one register, and says nothing of their types.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "tests/attest/quoted_host.h"

namespace airlock::attest::test {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kWantedLine = "root=/dev/vda1 quiet";
constexpr std::string_view kEvilLine = "root=/dev/vda1 init=/bin/sh";
constexpr std::string_view kEvilKernel = "another kernel";
constexpr char kAll[] = "sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,14,15+sha384:4,9,15";

std::string raw(std::uint16_t bank, std::string_view hashed) {
  const tpm::Bytes digest = tpm::hash(bank, hashed);
  return {digest.begin(), digest.end()};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos);
  if (at != text.npos) text.replace(at, from.size(), to);
  return text;
}

// What root extends when the evil kernel runs: the events that are wanted.
FirmwareLogWriter withWanted(FirmwareLogWriter log) {
  const std::string line(kWantedLine);
  log.add(4, FirmwareType::BootApplication, std::string(32, '\0'), "the kernel");
  log.add(9, FirmwareType::Tag, loadOptionsTag(), utf16Of(line));
  log.add(8, FirmwareType::Ipl, "grub_cmd: boot\0"s, "boot");
  log.add(8, FirmwareType::Ipl, "kernel_cmdline: " + line + '\0', line);
  log.add(12, FirmwareType::Ipl, utf16Of(line));
  return log;
}

FirmwareLogWriter evilBoot() {
  return usualBoot(kEvilLine, kEvilKernel, {tpm::kSha256, tpm::kSha384});
}
FirmwareLogWriter wantedBoot() {
  return usualBoot(kWantedLine, "the kernel", {tpm::kSha256, tpm::kSha384});
}

class ForgedBoot : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    host_ = new QuotedHost();
    host_->extendFirmware(withWanted(evilBoot()));
    host_->run();
  }
  static void TearDownTestSuite() { delete host_; }

  static Verdict judged(const std::string& selection, const std::string& log,
                        const std::string& demands, std::string_view line = kWantedLine) {
    Files files = host_->quote(kNonceHex, selection);
    files["firmware.log"] = log;
    files["kernel-cmdline"] = std::string(line) + "\n";
    return judgeEvidence(files, host_->publicArea(), nonce(),
                         R"({"airlockFleetPolicy":1,"firmware":{)" + demands + "}}");
  }
  static std::string kernel() { return R"("kernels":[")" + usualKernel() + R"("])"; }
  static std::string line() { return R"("commandLines":[")" + std::string(kWantedLine) + R"("])"; }
  static constexpr char kMeasured[] = R"("requireMeasuredCommandLine":true)";
  static QuotedHost* host_;
};
QuotedHost* ForgedBoot::host_ = nullptr;

TEST_F(ForgedBoot, ALogOfRegistersThatWereNotQuotedShowsNothing) {
  const std::string log = wantedBoot().bytes();
  const char* ours = "sha256:15+sha384:15";
  EXPECT_EQ(judged(ours, log, R"("required":true)").code, "E_ATTEST_POLICY_FIRMWARE");
  EXPECT_EQ(judged(ours, log, kernel()).code, "E_ATTEST_POLICY_FIRMWARE");
  EXPECT_EQ(judged(ours, log, kMeasured).code, "E_ATTEST_POLICY_FIRMWARE");
  EXPECT_EQ(judged(ours, log, line()).code, "E_ATTEST_POLICY_FIRMWARE");
  const Verdict unasked = judged(ours, log, "");
  EXPECT_EQ(unasked.code, "");
  EXPECT_FALSE(unasked.appraisal.firmware);  // in no report
}

TEST_F(ForgedBoot, SomeRegistersThatWereQuotedDoNotVouchForOthers) {
  const std::string log = wantedBoot().bytes();
  const char* some = "sha256:0,1,2,3,5,6,7,15+sha384:15";
  EXPECT_EQ(judged(some, log, kernel()).code, "E_ATTEST_POLICY_FIRMWARE");
  EXPECT_EQ(judged(some, log, kMeasured).code, "E_ATTEST_POLICY_FIRMWARE");
  EXPECT_EQ(judged(some, log, R"("required":true)").code, "E_ATTEST_POLICY_FIRMWARE");
}

TEST_F(ForgedBoot, ADigestOfABankThatWasNotQuotedShowsNothing) {
  // The log leads to what register 4 of the bank SHA-384 holds, and names the kernel that is wanted
  // in the other bank.
  const std::string log = replaced(withWanted(evilBoot()).bytes(), raw(tpm::kSha256, kEvilKernel),
                                   raw(tpm::kSha256, "the kernel"));
  EXPECT_EQ(judged("sha256:15+sha384:0,1,2,3,4,5,6,7,8,9,15", log, kernel(), kEvilLine).code,
            "E_ATTEST_POLICY_FIRMWARE");
}

TEST_F(ForgedBoot, AKernelThatWasExtendedAfterTheBootDoesNotHideTheOneThatWasBooted) {
  EXPECT_EQ(judged(kAll, withWanted(evilBoot()).bytes(), kernel(), kEvilLine).code,
            "E_ATTEST_POLICY_KERNEL");
}

TEST_F(ForgedBoot, TheTypeOfAnEventHidesNoProgram) {
  for (const std::uint32_t type : {0x6U, 0x4U, 0x80000007U, 0x80000006U, 0xdU, 0x12U}) {
    FirmwareLogWriter log = evilBoot();
    std::string bytes = withWanted(log).bytes();
    // The event of the evil kernel begins twelve bytes before its first digest.
    const std::size_t digest = bytes.find(raw(tpm::kSha256, kEvilKernel));
    ASSERT_NE(digest, bytes.npos);
    for (int i = 0; i < 4; ++i) {
      bytes[digest - 10 + static_cast<std::size_t>(i)] = static_cast<char>(type >> (8 * i) & 0xff);
    }
    const Verdict verdict = judged(kAll, bytes, kernel(), kEvilLine);
    EXPECT_NE(verdict.code, "") << type;
  }
}

TEST_F(ForgedBoot, ACommandLineThatWasExtendedAfterTheBootIsNotTheOneThatWasBooted) {
  const std::string honest = withWanted(evilBoot()).bytes();
  EXPECT_NE(judged(kAll, honest, kMeasured).code, "");
  EXPECT_NE(judged(kAll, honest, line()).code, "");
  // The event of the line that was booted, called something else: as a file that GRUB read, which
  // is known by its digest alone.
  std::string other = honest;
  const std::size_t digest = other.find(raw(tpm::kSha256, utf16Of(kEvilLine)));
  ASSERT_NE(digest, other.npos);
  other[digest - 10] = '\x0d';
  EXPECT_EQ(judged(kAll, other, kMeasured).code, "E_ATTEST_POLICY_CMDLINE");
  EXPECT_EQ(judged(kAll, other, line()).code, "E_ATTEST_POLICY_CMDLINE");
  EXPECT_EQ(judged(kAll, other, "").code, "");
}

TEST_F(ForgedBoot, AnEventOfARegisterThatIsNotComparedIsNoCommandLine) {
  QuotedHost host;
  FirmwareLogWriter boot({tpm::kSha256});
  boot.add(4, FirmwareType::BootApplication, std::string(32, '\0'), "the kernel");
  host.extendFirmware(boot);
  host.run();
  const std::string line(kWantedLine);
  for (const std::uint32_t pcr : {10U, 11U, 12U, 13U}) {
    FirmwareLogWriter log = boot;
    log.add(pcr, FirmwareType::Tag, loadOptionsTag(), utf16Of(line));
    Files files = host.quote();
    files["firmware.log"] = log.bytes();
    files["kernel-cmdline"] = line;
    EXPECT_EQ(
        judgeEvidence(files, host.publicArea(), nonce(),
                      R"({"airlockFleetPolicy":1,"firmware":{)" + std::string(kMeasured) + "}}")
            .code,
        "E_ATTEST_POLICY_CMDLINE")
        << pcr;
  }
}

}  // namespace
}  // namespace airlock::attest::test
