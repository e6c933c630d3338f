// SPDX-License-Identifier: Apache-2.0
// A machine without a TPM, under mode=require.
#include <gmock/gmock.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

class AbsentTpm : public Guest {};

TEST_F(AbsentTpm, M02_IsRefusedAndNothingRuns) {
  ASSERT_FALSE(exists("/dev/tpmrm0"));
  const auto began = std::chrono::steady_clock::now();
  const Outcome start = as(
      Who::Alice, std::string("airlock run ") + kGuestImage + " --exec=/bin/busybox -- echo ran");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  ASSERT_NE(start.err, "");
  const std::string said = lines(start.err).back();
  std::cout << "absent: refused in " << took.count() << " s: " << said << std::endl;
  EXPECT_EQ(start.code, 254);
  EXPECT_EQ(start.out, "");
  EXPECT_THAT(said,
              HasSubstr("run: policy requires measurement, and the TPM cannot be used: no TPM"));
  EXPECT_EQ(done(Who::Root, "airlock list --full --no-legend"), "");
  const auto lines = nlohmann::json::parse(
      done(Who::Root, "airlock --json audit query --refused --user=4242 --op=run"));
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back().at("line").at("result").at("code"), "E_MEASURE");
}

TEST_F(AbsentTpm, InLogModeTheChainIsKeptAndCalledUnanchored) {
  writeFile("/etc/airlock/policy.d/60-guest.policy", "measure mode=log pcr=15\n");
  done(Who::Alice, std::string("airlock run ") + kGuestImage + " --exec=/bin/busybox -- true");
  const auto log = nlohmann::json::parse(done(Who::Root, "airlock --json tpm log"));
  const auto engine = nlohmann::json::parse(log.at("records")[0].at("event").get<std::string>());
  EXPECT_EQ(engine.at("anchor"), "none");
  EXPECT_THAT(engine.at("anchor_reason").get<std::string>(), HasSubstr("no TPM"));
  writeFile("/etc/airlock/policy.d/60-guest.policy", "measure mode=require pcr=15\n");
}

}  // namespace
}  // namespace airlock::test
