// SPDX-License-Identifier: Apache-2.0
// Three boots of one machine with one TPM (tests/guest/run --boots=3): what the log and the
// evidence of the first one are worth in the second, and when somebody with root puts the first
// one's register together again in the third.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/syscall.h"
#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

const std::string kRun = std::string("airlock run ") + kGuestImage + " --exec=/bin/busybox -- ";
constexpr const char* kFirst = "/var/lib/attest-first";  // of the root disk: what boot 1 leaves
constexpr const char* kThen = "000102030405060708090a0b0c0d0e0f";
constexpr const char* kNow = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

class Boots : public Guest {
 protected:
  static nlohmann::json log() {
    return nlohmann::json::parse(done(Who::Root, "airlock --json tpm log"));
  }
  static void quote(const std::string& nonce, const std::string& directory) {
    done(Who::Root, "rm -rf " + directory);
    done(Who::Alice, "airlock attest quote --nonce=" + nonce + " -o " + directory);
  }
  static void expectVerdict(const std::string& evidence, const std::string& nonce, int code,
                            const std::string& reason) {
    const Outcome outcome =
        as(Who::Alice, std::string("airlock --json attest verify --ak ") + kFirst +
                           "/enrolled/ak.pem --nonce=" + nonce + " " + evidence);
    EXPECT_EQ(outcome.code, code) << outcome.out << outcome.err;
    const auto report = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(report.at("verdict"), code == 0 ? "accepted" : "refused");
    EXPECT_EQ(code == 0 ? "" : report.at("reason").at("code"), reason) << outcome.out;
  }
};
// tests/guest/run-tests runs the suite of the boot that it is.
class Boot1 : public Boots {};
class Boot2 : public Boots {};
class Boot3 : public Boots {};

TEST_F(Boot1, LeavesItsLogAndItsEvidence) {
  writeFile("/etc/airlock/policy.d/61-attest.policy", "allow group:airlock attest\n");
  done(Who::Root, std::string("mkdir -p ") + kFirst +
                      "; airlock attest init; airlock attest enroll -o " + kFirst +
                      "/enrolled; chmod -R a+rX " + kFirst);
  done(Who::Alice, kRun + "true");
  quote(kThen, "/tmp/evidence");
  expectVerdict("/tmp/evidence", kThen, 0, "");
  done(Who::Root, std::string("cp -a /tmp/evidence ") + kFirst + "; cp -a /run/airlock/measure " +
                      kFirst + "/measure");
}

TEST_F(Boot2, M12_ALogOfTheFirstBootIsPutAsideAndAFreshOneBegins) {
  must(std::string("mkdir -p /run/airlock; cp -a ") + kFirst +
       "/measure /run/airlock/; restorecon -R /run/airlock/measure");
  const std::string old = readFile(std::string(kFirst) + "/measure/events.cel");
  done(Who::Alice, kRun + "true");
  const auto now = log();
  EXPECT_EQ(now.at("replay"), "matches");
  const auto engine = nlohmann::json::parse(now.at("records")[0].at("event").get<std::string>());
  EXPECT_EQ(engine.at("boot_id").get<std::string>() + "\n",
            readFile("/proc/sys/kernel/random/boot_id"));
  EXPECT_EQ(must("cat /run/airlock/measure/events-*.cel"), old);
  EXPECT_EQ(must("ls /run/airlock/measure/events-*.cel | wc -l"), "1\n");
}

TEST_F(Boot2, M11_EvidenceOfTheFirstBootIsRefused) {
  const std::string first = std::string(kFirst) + "/evidence";
  expectVerdict(first, kThen, 0, "");  // what it says of its own time stays true
  expectVerdict(first, kNow, 21, "E_ATTEST_NONCE");
  quote(kNow, "/tmp/evidence");
  expectVerdict("/tmp/evidence", kNow, 0, "");
  // The quote of this boot with the log of that one.
  must("cp -r /tmp/evidence /tmp/mixed; cp " + first +
       "/events.cel /tmp/mixed/events.cel; "
       "chmod -R a+rX /tmp/mixed");
  expectVerdict("/tmp/mixed", kNow, 21, "E_ATTEST_BOOT");
}

// Somebody with root who speaks to the device.
std::string ask(const std::string& hex) {
  std::string command;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    command.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  const Fd device = sys::openPath("/dev/tpmrm0", O_RDWR).value();
  sys::writeAll(device, command).value();
  std::array<std::uint8_t, 4096> answer;
  const std::size_t size = sys::read(device, answer).value();
  return {answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(size)};
}
std::string hexOf(std::uint32_t number, int bytes) {
  std::string text;
  for (int at = bytes - 1; at >= 0; --at) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", number >> (8 * at) & 0xff);
    text += digits;
  }
  return text;
}
std::string withHeader(const std::string& rest, const char* code) {
  return "8002" + hexOf(static_cast<std::uint32_t>(10 + rest.size() / 2), 4) + code + rest;
}
constexpr const char* kNoPassword =
    "00000009"
    "40000009"
    "0000"
    "00"
    "0000";

// TPM2_PCR_Extend of register 15 in both banks.
void extend(const nlohmann::json& digests) {
  std::string banks;
  for (const auto& digest : digests) {
    banks += (digest.at("hashAlg") == "sha256" ? "000b" : "000c") +
             digest.at("digest").get<std::string>();
  }
  const std::string answer =
      ask(withHeader(std::string("0000000f") + kNoPassword +
                         hexOf(static_cast<std::uint32_t>(digests.size()), 4) + banks,
                     "00000182"));
  ASSERT_EQ(answer.substr(6, 4), std::string(4, '\0'));
}

TEST_F(Boot3, M11_ARegisterThatIsPutTogetherAgainDoesNotPassForTheFirstBoot) {
  const std::string first = std::string(kFirst) + "/evidence";
  for (const std::string& element : lines(readFile(first + "/events.cel"))) {
    extend(nlohmann::json::parse(element.substr(1)).at("digests"));
  }
  // The engine has no part in it: the register was used before it.
  const Outcome start = as(Who::Alice, kRun + "true");
  EXPECT_EQ(start.code, 254);
  EXPECT_THAT(start.err, HasSubstr("was extended by somebody else before us"));
  // TPM2_Quote by the attestation key, of register 15 in both banks: the rest of the evidence can
  // be copied.
  const std::string answer =
      ask(withHeader(std::string("81018000") + kNoPassword + hexOf(16, 2) + kNow + "0010" +
                         "00000002"
                         "000b03008000"
                         "000c03008000",
                     "00000158"));
  ASSERT_EQ(answer.substr(6, 4), std::string(4, '\0'));
  const std::size_t size =
      static_cast<unsigned char>(answer[14]) * 256U + static_cast<unsigned char>(answer[15]);
  must("cp -r " + first + " /tmp/forged; chmod -R a+rX /tmp/forged; rm /tmp/forged/firmware.log");
  writeFile("/tmp/forged/quote", answer.substr(16, size));
  // Behind the signature (two algorithms and two numbers) stands the session's answer, five bytes.
  writeFile("/tmp/forged/quote.sig", answer.substr(16 + size, answer.size() - 16 - size - 5));
  // The values of register 15, and of nothing else, are what was quoted.
  nlohmann::json pcrs = nlohmann::json::parse(readFile(first + "/pcrs"));
  for (auto& [bank, values] : pcrs.items()) values = {{"15", values.at("15")}};
  writeFile("/tmp/forged/pcrs", pcrs.dump());
  expectVerdict("/tmp/forged", kNow, 21, "E_ATTEST_BOOT");
}

}  // namespace
}  // namespace airlock::test
