// SPDX-License-Identifier: Apache-2.0
// The audit record where Linux has audit, a log-in and SELinux: what other programs find of it, and
// how it ties to the TPM.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

class AuditGuest : public Guest {
 protected:
  static nlohmann::json query(const std::string& flags) {
    return nlohmann::json::parse(done(Who::Root, "airlock --json audit query " + flags));
  }
  // A start and its end, of a pod.
  static std::string aDay(Who who) {
    const std::string pod = done(who, std::string("airlock run --detach ") + kGuestImage +
                                          " --exec=/bin/busybox -- sleep 1000");
    const std::string id = pod.substr(0, pod.find('\n'));
    done(who, "airlock enter " + id + " /bin/true");
    done(who, "airlock stop " + id);
    return id;
  }
};

TEST_F(AuditGuest, StartsAndStopsAreFoundByAusearch) {
  if (shell("command -v auditd ausearch").code != 0) GTEST_SKIP() << "auditd is not in the guest";
  must("mkdir -p -m 0700 /var/log/audit; pidof auditd || auditd");
  const std::string pod = aDay(Who::Alice);
  std::string found;
  EXPECT_TRUE(eventually([&] {
    found = shell("ausearch --input-logs -m VIRT_CONTROL --format raw").out;
    return found.find("op=stop reason=stop vm=\"airlock-" + pod) != found.npos;
  })) << found;
  EXPECT_THAT(found, HasSubstr("virt=airlock op=start reason=run vm=\"airlock-" + pod));
  EXPECT_THAT(found, HasSubstr("op=enter reason=enter"));
  EXPECT_THAT(found, HasSubstr("acct=\"alice\""));
  EXPECT_THAT(shell("ausearch --input-logs -m VIRT_MACHINE_ID --format raw").out,
              HasSubstr("vm-ctx=system_u:system_r:airlock_pod_t:s0:c"));
  shell("kill $(pidof auditd)");
}

TEST_F(AuditGuest, TheJournalHasEachLineByItsFields) {
  if (!hasSystemd()) GTEST_SKIP() << "there is no journal without systemd";
  const std::string pod = aDay(Who::Alice);
  const std::string find = "journalctl --no-pager -o cat -t airlock-audit AIRLOCK_POD=" + pod;
  EXPECT_TRUE(eventually([&] {
    const std::string said = shell(find).out;
    return said.find(": run allowed") != said.npos && said.find(": stop allowed") != said.npos;
  })) << shell(find).out;
}

TEST_F(AuditGuest, TheLineOfAStartIsInTheMeasuredEventAndHasTheLabel) {
  const std::string pod = aDay(Who::Alice);
  const auto lines = query("--op=run --pod=" + pod);
  ASSERT_EQ(lines.size(), 2U);
  const auto& decided = lines[0]["line"];
  EXPECT_EQ(decided["who"]["uid"], 4242);
  EXPECT_THAT(decided["subject"]["selinux"].get<std::string>(), HasSubstr(":airlock_pod_t:s0:c"));
  EXPECT_EQ(lines[1]["line"]["measure"]["pcr"], 15);
  const auto log = nlohmann::json::parse(done(Who::Root, "airlock --json tpm log"));
  EXPECT_EQ(log["replay"], "matches");
  std::string measured;
  for (const auto& record : log["records"]) {
    const auto event = nlohmann::json::parse(record["event"].get<std::string>());
    if (record["type"] == "pod" && event["pod"] == pod) measured = event["audit"];
  }
  EXPECT_EQ(measured, lines[0]["digest"]);
}

TEST_F(AuditGuest, AStrangersRefusalIsALineAndTheRecordIsNotForThem) {
  as(Who::Stranger, std::string("airlock run ") + kGuestImage + " --exec=/bin/true");
  const auto lines = query("--refused --user=4343");
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back()["line"]["result"]["code"], "E_DENIED");
  const Outcome outcome = as(Who::Stranger, "airlock audit query");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.err, HasSubstr("airlock-audit"));
  EXPECT_TRUE(denials().empty());
}

}  // namespace
}  // namespace airlock::test
