// SPDX-License-Identifier: Apache-2.0
#include "image/isolators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/json_reader.h"

namespace airlock::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Isolator isolator(std::string name, std::string value) {
  const bool known = isKnownIsolator(name);
  return {.name = std::move(name), .value = std::move(value), .known = known};
}
std::string refusal(const std::vector<Isolator>& isolators) {
  const auto decoded = decodeIsolators(isolators);
  return decoded ? "accepted" : decoded.error().text();
}

TEST(Isolators, ResourcesAreDecodedAndTheTightestWins) {
  const auto app = decodeIsolators(
      {{isolator("resource/memory", R"({"limit":"1Gi"})"),
        isolator("resource/memory", R"({"request":"1M","limit":"16M"})"),
        isolator("resource/cpu", R"({"limit":"250m"})"),
        isolator("resource/cpu", R"({"limit":0.5})"), isolator("os/linux/cpu-shares", "1024"),
        isolator("os/linux/oom-score-adj", "-5")}});
  ASSERT_TRUE(app) << app.error().text();
  EXPECT_EQ(app->memoryBytes, 16'000'000U);
  EXPECT_EQ(app->memoryRequestBytes, 1'000'000U);
  EXPECT_EQ(app->cpuMillicores, 250U);
  EXPECT_EQ(app->cpuShares, 1024U);
  EXPECT_EQ(app->oomScoreAdj, -5);
  EXPECT_EQ(app->capabilities, kDefaultCapabilities);
}

TEST(Isolators, BadValuesAreRefused) {
  const std::vector<std::pair<Isolator, const char*>> rows = {
      {isolator("resource/memory", R"({"limit":"4095"})"), "memory limit of 4095 bytes too low"},
      {isolator("resource/memory", R"({"limit":"-1G"})"), "must not be negative"},
      {isolator("resource/memory", R"({"limit":"much"})"), "quantities must match"},
      {isolator("resource/memory", R"({"limit":"1G","default":true})"), "default must be false"},
      {isolator("resource/memory", "{}"), "neither request nor limit"},
      {isolator("resource/memory", R"("1G")"), "must be an object"},
      {isolator("resource/cpu", R"({"limit":0})"), "a limit of nothing"},
      {isolator("resource/block-iops", R"({"limit":"5"})"), "default must be true"},
      {isolator("os/linux/cpu-shares", "1"), "not in the range"},
      {isolator("os/linux/cpu-shares", "262145"), "not in the range"},
      {isolator("os/linux/cpu-shares", "2.5"), "whole number"},
      {isolator("os/linux/pids-limit", "0"), "not in the range"},
      {isolator("os/linux/pids-limit", R"({"limit":5})"), "whole number"},
      {isolator("os/linux/oom-score-adj", "1001"), "not in the range"},
      {isolator("os/linux/no-new-privileges", "1"), "true or false"},
      {isolator("os/linux/capabilities-retain-set", R"({"set":[]})"), "set must be non-empty"},
      {isolator("os/linux/capabilities-retain-set", R"({"set":["CAP_X"]})"), "unknown capability"},
      {isolator("os/linux/capabilities-remove-set", R"({"set":["cap_chown"]})"),
       "unknown capability"},
      {isolator("os/linux/selinux-context", R"({"user":"u","role":"r:x","type":"t","level":"s0"})"),
       "not a part of an SELinux context"},
      {isolator("os/linux/selinux-context", R"({"user":"u","role":"r","type":"t"})"),
       "not a part of an SELinux context"},
      {isolator("os/unix/sysctl", R"({"../../x":"1"})"), "not the name of a sysctl"},
      {isolator("os/unix/sysctl", R"({"net.core.somaxconn":512})"), "one line of text"},
  };
  for (const auto& [bad, why] : rows) {
    EXPECT_THAT(refusal({bad}), HasSubstr(why)) << bad.name << " " << bad.value;
    EXPECT_FALSE(checkIsolators({{bad}}));
  }
}

TEST(Isolators, J07_WhatIsNotKnownIsKeptButDoesNotRun) {
  const std::vector<Isolator> unknown = {isolator("os/linux/apparmor-profile", R"({"x":1})")};
  EXPECT_TRUE(checkIsolators(unknown));
  EXPECT_THAT(refusal(unknown), HasSubstr("invalid isolator"));
}

TEST(Isolators, J08_SeccompSetsAreUnambiguous) {
  const Isolator retain =
      isolator("os/linux/seccomp-retain-set", R"({"set":["read","@appc.io/all"],"errno":"EPERM"})");
  const Isolator remove = isolator("os/linux/seccomp-remove-set", R"({"set":["mount"]})");
  EXPECT_THAT(refusal({retain, remove}), HasSubstr("isolators set contains incompatible types"));
  EXPECT_THAT(refusal({remove, retain}), HasSubstr("isolators set contains incompatible types"));
  EXPECT_THAT(refusal({retain, retain}),
              HasSubstr("isolators set contains too many instances of type"));
  const auto app = decodeIsolators({{retain}});
  ASSERT_TRUE(app);
  EXPECT_EQ(app->seccomp->mode, SeccompFilter::Mode::Retain);
  EXPECT_THAT(app->seccomp->names, ElementsAre("read", "@appc.io/all"));
  EXPECT_EQ(app->seccomp->errnoName, "EPERM");
  for (const char* value :
       {R"({"set":["@unknown/group"]})", R"({"set":["re ad"]})", R"({"set":[""]})", R"({"set":[]})",
        R"({"set":["read"],"errno":"PERM"})", R"({"set":["read"],"errno":"Eperm"})",
        R"({"set":"read"})"}) {
    EXPECT_NE(refusal({isolator("os/linux/seccomp-retain-set", value)}), "accepted") << value;
  }
  for (const auto& [value, words] :
       {std::pair(R"({"set":["read"],"errno":"PERM"})", "errno must start with an 'E' character"),
        std::pair(R"({"set":["read"],"errno":"Eperm"})",
                  "errno can only contain upper case or numeric characters")}) {
    EXPECT_NE(refusal({isolator("os/linux/seccomp-retain-set", value)}).find(words),
              std::string::npos);
  }
}

TEST(Isolators, K15_TheDefaultCapabilitiesAreNine) {
  EXPECT_THAT(capabilityNames(kDefaultCapabilities),
              ElementsAre("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                          "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE"));
  EXPECT_EQ(capabilityNumber("CAP_CHOWN"), 0U);
  EXPECT_EQ(capabilityNumber("CAP_SYS_ADMIN"), 21U);
  EXPECT_EQ(capabilityNumber("CAP_CHECKPOINT_RESTORE"), 40U);
  EXPECT_EQ(capabilityNumber("CHOWN"), std::nullopt);
  EXPECT_EQ(capabilityNames(allCapabilities()).size(), 41U);
}

TEST(Isolators, CapabilitySetsCombineToTheTightest) {
  const auto mask = [](std::vector<Isolator> isolators) {
    return capabilityNames(decodeIsolators(isolators).value().capabilities);
  };
  const Isolator retain = capabilitiesRetainIsolator({"CAP_NET_RAW", "CAP_KILL"});
  const Isolator remove = capabilitiesRemoveIsolator({"CAP_KILL"});
  EXPECT_THAT(mask({retain}), ElementsAre("CAP_KILL", "CAP_NET_RAW"));
  EXPECT_THAT(mask({remove, retain}), ElementsAre("CAP_NET_RAW"));
  EXPECT_THAT(mask({retain, capabilitiesRetainIsolator({"CAP_KILL"})}), ElementsAre("CAP_KILL"));
  EXPECT_EQ(mask({remove}).size(), 8U);
}

TEST(Isolators, FlagsMakeIsolatorsThatDecode) {
  const SeccompFilter filter{SeccompFilter::Mode::Remove, {"mount"}, "ENOSYS"};
  const SelinuxContext context{"u", "r", "t", "s0:c1,c2"};
  std::vector<Isolator> isolators = {memoryIsolator(Quantity::parse("1G").value()),
                                     seccompIsolator({.names = {"read"}}),
                                     capabilitiesRemoveIsolator({"CAP_KILL"})};
  overrideIsolator(isolators, memoryIsolator(Quantity::parse("16M").value()));
  overrideIsolator(isolators, cpuIsolator(Quantity::parse("500m").value()));
  overrideIsolator(isolators, cpuSharesIsolator(2));
  overrideIsolator(isolators, oomScoreAdjIsolator(1000));
  overrideIsolator(isolators, noNewPrivilegesIsolator(true));
  overrideIsolator(isolators, capabilitiesRetainIsolator({"CAP_CHOWN"}));
  overrideIsolator(isolators, seccompIsolator(filter));
  overrideIsolator(isolators, selinuxIsolator(context));
  const auto app = decodeIsolators(isolators);
  ASSERT_TRUE(app) << app.error().text();
  EXPECT_EQ(app->memoryBytes, 16'000'000U);
  EXPECT_EQ(app->cpuMillicores, 500U);
  EXPECT_EQ(app->cpuShares, 2U);
  EXPECT_EQ(app->oomScoreAdj, 1000);
  EXPECT_TRUE(app->noNewPrivileges);
  EXPECT_EQ(app->capabilities, 1U);
  EXPECT_EQ(app->seccomp, filter);
  EXPECT_EQ(app->selinux, context);
}

TEST(Isolators, WhatHasNoEffectIsNamed) {
  const auto app =
      decodeIsolators({{isolator("resource/network-bandwidth", R"({"default":true,"limit":"1G"})"),
                        isolator("os/unix/sysctl", R"({"net.core.somaxconn":"512"})")}});
  ASSERT_TRUE(app) << app.error().text();
  EXPECT_THAT(app->notEnforced, ElementsAre("resource/network-bandwidth"));
  EXPECT_EQ(app->sysctl.at("net.core.somaxconn"), "512");
}

}  // namespace
}  // namespace airlock::image
