// SPDX-License-Identifier: Apache-2.0
// What `airlock doctor` says of the guest, beside what other programs find there.
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/guest/disk.h"
#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

constexpr const char* kPolicy = "/etc/airlock/policy.d/60-doctor.policy";

struct Finding {
  bool holds = false;
  std::string detail;
  std::string advice;
};

class Doctor : public Guest {
 protected:
  void TearDown() override {
    shell("rm -f " + std::string(kPolicy));
    Guest::TearDown();
  }
  static std::map<std::string, Finding> findings(Who who, int code = 0) {
    const Outcome outcome = as(who, "airlock --json doctor");
    EXPECT_EQ(outcome.code, code) << outcome.out << outcome.err;
    std::map<std::string, Finding> all;
    for (const auto& entry : nlohmann::json::parse(outcome.out)) {
      const std::string name = entry.at("name");
      EXPECT_FALSE(all.contains(name)) << name << " is told twice";
      all[name] = {entry.at("enforced"), entry.at("detail"), entry.at("advice")};
    }
    return all;
  }
  static bool says(const std::string& script) { return as(Who::Root, script).code == 0; }
};

TEST_F(Doctor, TellsEachLayerAsItIs) {
  auto found = findings(Who::Root);
  EXPECT_TRUE(found["helper"].holds);
  EXPECT_TRUE(found["programs"].holds);
  for (const char* user : {"airlock-fetch", "airlock-verify", "airlock-tpm"})
    EXPECT_EQ(found["user " + std::string(user)].holds, says("getent passwd " + std::string(user)));
  EXPECT_EQ(found["seccomp"].holds, says("grep -q '^Seccomp:' /proc/self/status"));
  EXPECT_TRUE(found["namespaces"].holds);
  EXPECT_EQ(found["landlock"].holds, says("grep -q landlock /sys/kernel/security/lsm"));
  EXPECT_THAT(found["landlock"].detail, HasSubstr("ABI 2"));  // of Linux 6.1
  EXPECT_EQ(found["selinux"].holds,
            readFile("/sys/fs/selinux/enforce") == "1" &&
                says("ls /var/lib/selinux/default/active/modules/*/airlock"));
  EXPECT_EQ(found["cgroup"].holds, says("grep -q memory /sys/fs/cgroup/cgroup.controllers"));
  for (const char* controller : {"memory", "cpu", "pids"})
    EXPECT_THAT(found["cgroup"].detail, HasSubstr(controller));
}

TEST_F(Doctor, TriesWhatImagesNeed) {
  auto found = findings(Who::Root);
  EXPECT_TRUE(found["erofs"].holds);
  EXPECT_THAT(found["erofs"].detail, HasSubstr("loop device"));  // before Linux 6.12
  EXPECT_TRUE(found["idmapped mounts"].holds);
  EXPECT_TRUE(found["overlay"].holds);
  EXPECT_TRUE(found["fs-verity"].holds);
  EXPECT_TRUE(says("ls /sys/fs/ext4/features/verity"));
  // Nothing is left of the trials.
  EXPECT_TRUE(eventually([] { return must("losetup --noheadings --list").empty(); }));
  EXPECT_EQ(must("ls -A /var/lib/airlock/store/intent"), "");
}

TEST_F(Doctor, SaysThatAFileSystemHasNoVerity) {
  const Disk disk("plain", "^verity");
  const Outcome outcome = as(Who::Root, disk.airlock("doctor"));
  EXPECT_THAT(outcome.out, HasSubstr("fs-verity: not enforced"));
  EXPECT_THAT(outcome.out, HasSubstr("tune2fs -O verity"));
}

// swtpm is behind the guest's tpm_tis: a device like any other, but it names itself.
TEST_F(Doctor, NeverCallsASoftwareTpmHardware) {
  auto found = findings(Who::Root);
  EXPECT_TRUE(found["measurement"].holds);
  EXPECT_THAT(found["measurement"].detail, HasSubstr("software TPM"));
  EXPECT_FALSE(found["tpm"].holds);
  EXPECT_THAT(found["tpm"].detail, HasSubstr("a software TPM"));
}

TEST_F(Doctor, TellsOfSystemdOnlyWhereItRuns) {
  auto found = findings(Who::Root);
  for (const char* name : {"systemd", "machined", "journald"})
    EXPECT_EQ(found[name].holds, hasSystemd()) << name;
}

TEST_F(Doctor, AUserIsToldTheSameThroughTheSocket) {
  auto found = findings(Who::Alice);
  EXPECT_TRUE(found["helper"].holds);
  for (const char* name : {"erofs", "idmapped mounts", "fs-verity", "measurement"})
    EXPECT_TRUE(found[name].holds) << name << ": " << found[name].detail;
}

TEST_F(Doctor, WhatPolicyRequiresAndDoesNotHoldIsItsExitStatus) {
  writeFile(kPolicy, "require content measurement\n");
  auto found = findings(Who::Root);
  EXPECT_TRUE(found["required: content"].holds);
  EXPECT_TRUE(found["required: measurement"].holds);
  const Disk disk("plain", "^verity");
  const Outcome outcome = as(Who::Root, disk.airlock("doctor"));
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.out, HasSubstr("required: content: not enforced"));
}

}  // namespace
}  // namespace airlock::test
