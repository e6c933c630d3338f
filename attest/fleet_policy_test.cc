// SPDX-License-Identifier: Apache-2.0
// airlock-fleet-policy(5), as it is read.
#include "attest/fleet_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace airlock::attest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string whyRefused(const std::string& text) {
  const auto policy = parseFleetPolicy(text);
  if (policy) return "";
  EXPECT_EQ(policy.error().code(), "E_FLEET_POLICY");
  return policy.error().text();
}

TEST(FleetPolicy, SaysWhatIsAskedFor) {
  const auto policy = parseFleetPolicy(R"({
    "airlockFleetPolicy": 1, "requireHardware": true, "pcr": 15, "banks": ["sha256"],
    "engine": {"layers": ["seccomp"], "modes": ["require"]},
    "images": {"signedBy": [{"prefix": "example.com", "key": "0123"}], "content": ["verity"]},
    "pods": {"callers": [0, 1000], "requireAudit": true},
    "firmware": {"registers": {"sha256": {"7": [")" +
                                       std::string(64, 'a') + R"("]}}}})");
  ASSERT_TRUE(policy) << policy.error().text();
  EXPECT_TRUE(policy->requireHardware);
  EXPECT_EQ(policy->pcr, 15U);
  EXPECT_THAT(policy->engine.layers, ElementsAre("seccomp"));
  EXPECT_TRUE(policy->images.constrained);
  EXPECT_EQ(policy->images.signedBy.at(0).key, "0123");
  EXPECT_THAT(*policy->pods.callers, ElementsAre(0, 1000));
  EXPECT_TRUE(policy->pods.requireAudit);
  EXPECT_EQ(policy->firmware.registers.at("sha256").at(7).size(), 1U);
  EXPECT_FALSE(policy->stage1);
}

TEST(FleetPolicy, WhatIsNotUnderstoodIsRefusedWithItsPlace) {
  EXPECT_THAT(whyRefused("{}"), HasSubstr("airlockFleetPolicy"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":2})"), HasSubstr("airlockFleetPolicy"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":1,"requireHardwear":true})"),
              HasSubstr("requireHardwear"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":1,"engine":{"layer":[]}})"),
              HasSubstr("engine.layer"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":1,"images":{"golden":[{"image":"latest"}]}})"),
              HasSubstr("images.golden[0].image"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":1,"images":{"signedBy":[{"key":"a"}]}})"),
              HasSubstr("prefix"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":1,"stage1":["sha512-12"]})"),
              HasSubstr("stage1"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":1,"requireHardware":null})"), HasSubstr("null"));
  EXPECT_THAT(whyRefused(R"({"airlockFleetPolicy":1,"airlockFleetPolicy":1})"), HasSubstr("twice"));
  EXPECT_THAT(
      whyRefused(R"({"airlockFleetPolicy":1,"firmware":{"registers":{"sha256":{"07":[]}}}})"),
      HasSubstr("07"));
}

TEST(FleetPolicy, APrefixEndsWhereAPartOfTheNameEnds) {
  EXPECT_TRUE(covers("", "example.com/app"));
  EXPECT_TRUE(covers("example.com/app", "example.com/app"));
  EXPECT_TRUE(covers("example.com/", "example.com/app"));
  EXPECT_FALSE(covers("example.com/app", "example.com/application"));
  EXPECT_FALSE(covers("example.com/app", "example.com"));
}

}  // namespace
}  // namespace airlock::attest
