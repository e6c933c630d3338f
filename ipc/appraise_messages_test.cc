// SPDX-License-Identifier: Apache-2.0
// What the CLI asks airlock-attest, there and back.
#include "ipc/appraise_messages.h"

#include <gtest/gtest.h>

namespace airlock::ipc {
namespace {

TEST(AppraiseMessages, AreTheSameThereAndBack) {
  const VerifyEvidence asked{.nonce = std::string(20, '\x80'),
                             .hasPolicy = true,
                             .hasRoots = true,
                             .requireHardware = true,
                             .json = true,
                             .audit = true,
                             .hasTrust = true,
                             .hasCrls = true,
                             .hasRevoked = true,
                             .page = true};
  const AppraiseJob job = decodeAppraiseJob(encode(AppraiseJob(asked)).value()).value();
  const auto& verify = std::get<VerifyEvidence>(job);
  EXPECT_EQ(verify.nonce, asked.nonce);
  EXPECT_TRUE(verify.hasPolicy && verify.hasRoots && verify.requireHardware && verify.json &&
              verify.audit && verify.hasTrust && verify.hasCrls && verify.hasRevoked &&
              verify.page);
  EXPECT_EQ(descriptorsOf(job), 8U);
  EXPECT_EQ(descriptorsOf(AppraiseJob(MakeChallenge{.hasRoots = true})), 5U);
  EXPECT_EQ(descriptorsOf(AppraiseJob(MakeChallenge{.hasRoots = true, .hasCrls = true})), 6U);
  const AppraiseJob list = decodeAppraiseJob(encode(AppraiseJob(ListSignatures{})).value()).value();
  EXPECT_TRUE(std::holds_alternative<ListSignatures>(list));

  const AppraiseReply reply =
      decodeAppraiseReply(
          encode(AppraiseReply(Appraised{.status = 21, .code = "E_ATTEST_NONCE", .text = "old"}))
              .value())
          .value();
  EXPECT_EQ(std::get<Appraised>(reply).status, 21);
  EXPECT_EQ(std::get<Appraised>(reply).code, "E_ATTEST_NONCE");
}

TEST(AppraiseMessages, ANonceThatSaysNothingIsRefusedUnlessNoneIsAskedFor) {
  for (const std::size_t size : {0U, 1U, 15U, 65U}) {
    EXPECT_FALSE(encode(AppraiseJob(VerifyEvidence{.nonce = std::string(size, 'n')}))) << size;
  }
  EXPECT_TRUE(encode(AppraiseJob(VerifyEvidence{.nonce = {}, .audit = true})));
  EXPECT_FALSE(encode(AppraiseJob(VerifyEvidence{.nonce = "short", .audit = true})));
}

TEST(AppraiseMessages, WhatIsNoMessageIsRefused) {
  EXPECT_FALSE(decodeAppraiseJob(""));
  EXPECT_FALSE(decodeAppraiseJob(std::string(64, '\xff')));
  EXPECT_FALSE(decodeAppraiseReply(std::string(8, '\0')));
}

}  // namespace
}  // namespace airlock::ipc
