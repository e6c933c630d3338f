// SPDX-License-Identifier: Apache-2.0
// A TPM that fails, is reset or sleeps, behind the kernel's device, under mode=require: what a user
// is told, that nothing ran, and what can be attested afterwards.  tests/guest/beside-attest_tpm
// stands between the machine and its TPM and does what these tests tell it over a serial port.
#include <gmock/gmock.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Matcher;
using testing::StartsWith;

const std::string kRun = std::string("airlock run ") + kGuestImage + " --exec=/bin/busybox -- ";
constexpr const char* kPcrRead = "0000017e";

// The program outside answers each line with one.
std::string outside(const std::string& line) {
  std::string answer = must("exec 3<>/dev/ttyS1; stty -F /dev/ttyS1 raw -echo; echo '" + line +
                            "' >&3; read -r answer <&3; echo \"$answer\"");
  answer.pop_back();
  return answer;
}

class FailingTpm : public Guest {
 protected:
  static void SetUpTestSuite() {
    Guest::SetUpTestSuite();
    writeFile("/etc/airlock/policy.d/61-attest.policy", "allow group:airlock attest\n");
    done(Who::Root, "airlock attest init && airlock attest enroll -o /run/enrolled");
    done(Who::Alice, kRun + "true");
    const auto began = std::chrono::steady_clock::now();
    done(Who::Alice, kRun + "true");
    std::cout << "a start that is not refused: " << since(began) << " s" << std::endl;
  }
  static double since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  static nlohmann::json log() {
    return nlohmann::json::parse(done(Who::Root, "airlock --json tpm log"));
  }
  static nlohmann::json lastRefusal() {
    const std::string found =
        done(Who::Root, "airlock --json audit query --refused --user=4242 --op=run");
    const auto lines = nlohmann::json::parse(found);
    return lines.empty() ? nlohmann::json() : lines.back().at("line");
  }
  // One clear line for the user, one in the record, and nothing ran.
  static void expectRefused(const std::string& what, const Matcher<std::string>& reason) {
    const std::string pods = done(Who::Root, "airlock list --full --no-legend");
    const auto began = std::chrono::steady_clock::now();
    const Outcome start = as(Who::Alice, kRun + "echo ran");
    const double took = since(began);
    ASSERT_NE(start.err, "");
    const std::string said = lines(start.err).back();
    std::cout << what << ": refused in " << took << " s: " << said << std::endl;
    EXPECT_EQ(start.code, 254) << what;
    EXPECT_EQ(start.out, "") << what;
    EXPECT_THAT(said, StartsWith("run: policy requires measurement, and it failed: "));
    EXPECT_THAT(said, reason) << what;
    EXPECT_EQ(done(Who::Root, "airlock list --full --no-legend"), pods);
    const auto refusal = lastRefusal();
    EXPECT_EQ(refusal.at("result").at("code"), "E_MEASURE") << refusal;
    EXPECT_THAT(refusal.at("result").at("text").get<std::string>(), reason) << refusal;
  }
  // The TPM works again, nothing of what was refused is missing in the log or the register.
  static void expectRecovered() {
    Outcome start;
    EXPECT_TRUE(eventually([&] { return (start = as(Who::Alice, kRun + "true")).code == 0; }))
        << start.err;
    EXPECT_EQ(log().at("replay"), "matches");
  }
  static Outcome verified(const std::string& nonce, const std::string& evidence) {
    return as(Who::Alice, "airlock --json attest verify --ak /run/enrolled/ak.pem --nonce=" +
                              nonce + " " + evidence);
  }
};

TEST_F(FailingTpm, M02_OneThatHangsIsRefusedWhileItHangs) {
  outside("hang");
  expectRefused("hangs",
                AnyOf(HasSubstr("no answer"), HasSubstr("the kernel got nothing from the TPM")));
  EXPECT_EQ(outside("held"), "yes");
  outside("pass");
  expectRecovered();
}

// The kernel waits two minutes for this command, and whoever touches the device waits with it.
TEST_F(FailingTpm, M02_OneThatHangsInACommandOfTwoMinutesKeepsTheRelayOnly) {
  outside(std::string("hang ") + kPcrRead);
  expectRefused("hangs in a read", HasSubstr("the TPM gave no answer in 3 s"));
  EXPECT_EQ(outside("held"), "yes") << "it was refused because the TPM answered";
  // And who comes while it does.
  std::vector<std::jthread> people;
  for (int person = 0; person < 3; ++person) {
    people.emplace_back([] {
      const Outcome start = as(Who::Alice, kRun + "echo ran");
      EXPECT_EQ(start.code, 254);
      EXPECT_EQ(start.out, "");
      EXPECT_THAT(start.err, HasSubstr("policy requires measurement"));
    });
  }
  people.clear();
  EXPECT_EQ(outside("held"), "yes");
  outside("pass");
  expectRecovered();
}

TEST_F(FailingTpm, M16_OneThatAnswersGarbageIsRefused) {
  for (const char* how : {"all", "code", "body"}) {
    outside(std::string("garbage ") + how);
    expectRefused(std::string("garbage, ") + how,
                  AnyOf(HasSubstr("malformed"), HasSubstr("the TPM refused"),
                        HasSubstr("the kernel got nothing from the TPM"),
                        HasSubstr("the TPM has a PCR bank"), HasSubstr("the TPM has no PCR bank")));
    outside("pass");
    expectRecovered();
  }
}

TEST_F(FailingTpm, M11_ASuspendedMachineIsAttestedWithItsMark) {
  constexpr const char* kNonce = "101112131415161718191a1b1c1d1e1f";
  const auto restarts = [](const nlohmann::json& report) {
    return report.at("quote").at("restarts").get<int>();
  };
  done(Who::Alice, std::string("airlock attest quote --nonce=") + kNonce + " -o /tmp/awake");
  const Outcome before = verified(kNonce, "/tmp/awake");
  ASSERT_EQ(before.code, 0) << before.out << before.err;
  // The clock of the machine wakes it.
  must(
      "echo 0 >/sys/class/rtc/rtc0/wakealarm; echo +3 >/sys/class/rtc/rtc0/wakealarm; "
      "echo mem >/sys/power/state");
  expectRecovered();
  done(Who::Alice, std::string("airlock attest quote --nonce=") + kNonce + " -o /tmp/woken");
  const Outcome after = verified(kNonce, "/tmp/woken");
  ASSERT_EQ(after.code, 0) << after.out << after.err;
  EXPECT_EQ(restarts(nlohmann::json::parse(after.out)),
            restarts(nlohmann::json::parse(before.out)) + 1);
}

// From here on the boot is not attested any more: only a reset leads out of failure mode.
TEST_F(FailingTpm, M02_FailureModeIsNamed) {
  EXPECT_EQ(outside("broken"), "done 80010000000a00000101");
  expectRefused("failure mode", HasSubstr("failure mode"));
}

TEST_F(FailingTpm, M11_AResetWithoutARebootPoisonsTheBoot) {
  constexpr const char* kNonce = "202122232425262728292a2b2c2d2e2f";
  EXPECT_EQ(outside("repaired"), "done 00000000 80010000000a00000000");
  expectRefused("reset", HasSubstr("the TPM was reset"));
  const Outcome quote =
      as(Who::Alice, std::string("airlock attest quote --nonce=") + kNonce + " -o /tmp/none");
  EXPECT_EQ(quote.code, 254);
  EXPECT_THAT(quote.err, HasSubstr("can no longer be attested"));
}

// Last: it does not come back.
TEST_F(FailingTpm, M02_OneThatDiesIsRefused) {
  outside("killed");
  expectRefused("killed", AnyOf(HasSubstr("the kernel got nothing from the TPM"),
                                HasSubstr("malformed"), HasSubstr("failure mode"),
                                HasSubstr("the TPM refused"), HasSubstr("no answer")));
  EXPECT_TRUE(denials().empty());
}

}  // namespace
}  // namespace airlock::test
