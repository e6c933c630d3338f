// SPDX-License-Identifier: Apache-2.0
// A day of the engine on a device of the kernel, /dev/tpmrm0, with two active banks: what was
// measured, and evidence of it that is checked outside of this machine (after-attest).
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPolicy = "/etc/airlock/policy.d/61-attest.policy";
constexpr const char* kNonce = "000102030405060708090a0b0c0d0e0f10111213";
constexpr const char* kEvidence = "/run/results/evidence";
const std::string kRun = std::string("airlock run ") + kGuestImage + " --exec=/bin/busybox -- ";

class Attestation : public Guest {
 protected:
  static void SetUpTestSuite() {
    Guest::SetUpTestSuite();
    writeFile(kPolicy, "allow group:airlock attest\n");
    done(Who::Root, "airlock attest init");
  }
  // The log leads to what the register of the device holds, in both banks.
  static nlohmann::json expectAgreement() {
    const auto log = nlohmann::json::parse(done(Who::Root, "airlock --json tpm log"));
    EXPECT_EQ(log.at("replay"), "matches");
    EXPECT_EQ(log.at("registers").size(), 2U) << log.at("registers");
    return log;
  }
  static long count(const nlohmann::json& log, const std::string& type) {
    return std::ranges::count_if(log.at("records"),
                                 [&](const auto& record) { return record.at("type") == type; });
  }
};

TEST_F(Attestation, LogAndRegisterAgreeAfterADayOfTheEngine) {
  const auto before = expectAgreement();
  {
    std::vector<std::jthread> people;
    for (int person = 0; person < 3; ++person) {
      people.emplace_back([] {
        for (int i = 0; i < 2; ++i) done(Who::Alice, kRun + "true");
      });
    }
  }
  const std::string pod = done(Who::Alice, std::string("airlock run --detach ") + kGuestImage +
                                               " --exec=/bin/busybox -- sleep 600")
                              .substr(0, 36);
  done(Who::Alice, "airlock enter " + pod + " /bin/busybox true");
  writeFile("/etc/airlock/policy.d/62-more.policy", "deny user:4343 fetch\n");
  done(Who::Alice, kRun + "true");
  done(Who::Root,
       "airlock trust --skip-fingerprint-review --prefix=example.test/more /run/fixture/key.asc");
  done(Who::Alice, kRun + "true");
  done(Who::Alice, "airlock stop --force " + pod);
  done(Who::Root, "airlock gc --grace-period=0s");
  shell("rm /etc/airlock/policy.d/62-more.policy");
  const auto after = expectAgreement();
  EXPECT_EQ(count(after, "pod") - count(before, "pod"), 9);
  EXPECT_EQ(count(after, "enter") - count(before, "enter"), 1);
  EXPECT_GT(count(after, "policy"), count(before, "policy"));
  EXPECT_GT(count(after, "trust"), count(before, "trust"));
}

TEST_F(Attestation, EvidenceGoesOutAndIsCheckedThere) {
  done(Who::Alice, kRun + "true");
  done(Who::Root, "rm -rf " + std::string(kEvidence) + " /run/results/enrolled");
  const std::string enrolled = done(Who::Root, "airlock attest enroll -o /run/results/enrolled");
  EXPECT_THAT(enrolled, HasSubstr("tpm\tsoftware, IBM"));
  const std::string quoted =
      done(Who::Alice, std::string("airlock attest quote --nonce=") + kNonce + " -o /tmp/evidence");
  EXPECT_THAT(quoted, HasSubstr("software: proves nothing"));
  done(Who::Root, std::string("cp -r /tmp/evidence ") + kEvidence + "; echo " + kNonce +
                      " >/run/results/nonce");
  EXPECT_EQ(done(Who::Root, "cmp /proc/cmdline /tmp/evidence/kernel-cmdline"), "");
  // The firmware of this machine has measured, whatever it is.
  EXPECT_EQ(done(Who::Root,
                 "cmp /sys/kernel/security/tpm0/binary_bios_measurements "
                 "/tmp/evidence/firmware.log"),
            "");
  // The key is used where nobody else may be: a stranger asks in vain.
  const Outcome stranger =
      as(Who::Stranger, std::string("airlock attest quote --nonce=") + kNonce + " -o /tmp/none");
  EXPECT_EQ(stranger.code, 254);
  EXPECT_THAT(stranger.err, HasSubstr("policy has no line"));
  expectAgreement();
}

TEST_F(Attestation, M10_ProcessesThatAreKilledLoseNothing) {
  // Whatever dies, in whichever step: the next start puts it right, and no pod ran unrecorded.  At
  // points of time and not at the named fault points: packages have none, and the helper gives the
  // measuring process no variable.  Measure.M10_* kill it at each point, with a real swtpm.
  for (const char* victim :
       {"^airlock-measure", "^airlock-helper --child", "^/usr/bin/airlock run"}) {
    const std::string look = std::string(" -f '") + victim + "'";
    // At its first step, and after it has worked for a moment.
    for (const std::string& kill :
         {"until pkill -9" + look + "; do :; done",
          "until pgrep" + look + "; do :; done; sleep 0.02; pkill -9" + look,
          "until pgrep" + look + "; do :; done; sleep 0.3; pkill -9" + look}) {
      // Pods are started until it has hit: some processes live for a few hundredths of a second.
      const Outcome outcome =
          as(Who::Root, "timeout 90 sh -c \"" + kill + "\" >/dev/null & killer=$!; " +
                            "while kill -0 $killer 2>/dev/null; do /usr/bin/" + kRun +
                            "true >/dev/null 2>&1 || :; done; wait $killer");
      if (kill.starts_with("until pkill")) {
        EXPECT_EQ(outcome.code, 0) << victim << " was not there";
      }
    }
  }
  done(Who::Alice, kRun + "true");
  expectAgreement();
}

// An app that is added to a sandbox is measured when it is started, and so is each that enters it.
TEST_F(Attestation, AppsOfASandboxAreMeasuredWhenTheyStart) {
  const auto before = expectAgreement();
  const std::string box = done(Who::Alice, "airlock app sandbox --detach").substr(0, 36);
  for (const char* name : {"one", "two"}) {
    done(Who::Alice, "airlock app add " + box + " " + kGuestImage + " --name=" + name +
                         " --exec=/bin/sleep -- 600");
  }
  const auto added = expectAgreement();
  EXPECT_EQ(count(added, "pod") - count(before, "pod"), 1) << "the sandbox, and no app yet";
  done(Who::Alice, "airlock app start " + box + " --app=one");
  done(Who::Alice, "airlock app exec --app=one " + box + " /bin/busybox true");
  done(Who::Alice, "airlock app stop " + box + " --app=one");
  done(Who::Alice, "airlock app start " + box + " --app=two");
  const auto after = expectAgreement();
  EXPECT_EQ(count(after, "pod") - count(added, "pod"), 2);
  EXPECT_EQ(count(after, "enter") - count(added, "enter"), 1);
  EXPECT_EQ(count(after, "abort"), count(before, "abort"));
  // Each of the two records names its app alone, below the pod's id.
  std::vector<std::vector<std::string>> apps;
  for (const auto& record : after.at("records")) {
    if (record.at("type") != "pod") continue;
    const auto event = nlohmann::json::parse(record.at("event").get<std::string>());
    if (event.at("pod") != box) continue;
    apps.emplace_back();
    for (const auto& app : event.at("apps")) apps.back().push_back(app.at("name"));
  }
  EXPECT_EQ(apps, (std::vector<std::vector<std::string>>{{}, {"one"}, {"two"}}));
}

// Last: nothing can be attested after it.
TEST_F(Attestation, M10_AForeignExtendPoisonsTheBootAndIsSaid) {
  // TPM2_PCR_Extend of register 15, SHA-256 bank, with the empty password.
  done(Who::Root,
       "{ printf "
       "'\\200\\002\\0\\0\\0\\101\\0\\0\\001\\202\\0\\0\\0\\017\\0\\0\\0\\011\\100\\0\\0\\011"
       "\\0\\0\\0\\0\\0\\0\\0\\0\\001\\0\\013'; busybox head -c 32 /dev/zero; } >/tmp/extend; "
       "exec 3<>/dev/tpmrm0; cat /tmp/extend >&3; busybox dd bs=4096 count=1 <&3 2>/dev/null | "
       "busybox od -An -tx1 | grep -q '00 00 00 00'");
  const Outcome start = as(Who::Alice, kRun + "true");
  EXPECT_NE(start.code, 0);
  EXPECT_THAT(start.err, HasSubstr("does not hold what the log leads to"));
  const Outcome quote =
      as(Who::Alice, std::string("airlock attest quote --nonce=") + kNonce + " -o /tmp/none");
  EXPECT_EQ(quote.code, 254);
  EXPECT_THAT(quote.err, HasSubstr("can no longer be attested"));
}

}  // namespace
}  // namespace airlock::test
