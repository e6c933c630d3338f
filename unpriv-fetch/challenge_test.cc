// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/challenge.h"

#include <gtest/gtest.h>

namespace airlock::fetch {
namespace {

TEST(Challenge, ValuesInQuotesHoldCommas) {
  const auto found = parseChallenges(
      {R"(Bearer realm="https://a.b/token",service="s, \"t\"",scope="repository:x:pull,push")"});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].scheme, "bearer");
  EXPECT_EQ(found[0].parameter("realm"), "https://a.b/token");
  EXPECT_EQ(found[0].parameter("service"), R"(s, "t")");
  EXPECT_EQ(found[0].parameter("scope"), "repository:x:pull,push");
  EXPECT_EQ(found[0].parameter("error"), "");
}

TEST(Challenge, SeveralStandInOneHeaderOrInSeveral) {
  const auto found = parseChallenges(
      {R"(Negotiate, Basic realm="a b" , charset=UTF-8, BEARER Realm = x,service="")",
       "NTLM dG9rZW4=, Digest nonce=1"});
  ASSERT_EQ(found.size(), 5U);
  EXPECT_EQ(found[0].scheme, "negotiate");
  EXPECT_EQ(found[1].parameter("realm"), "a b");
  EXPECT_EQ(found[1].parameter("charset"), "UTF-8");
  EXPECT_EQ(found[2].scheme, "bearer");
  EXPECT_EQ(found[2].parameter("realm"), "x");
  EXPECT_EQ(found[3].scheme, "ntlm");
  EXPECT_EQ(found[4].parameter("nonce"), "1");
}

TEST(Challenge, WhatIsBrokenEndsTheHeader) {
  EXPECT_TRUE(parseChallenges({"", " , ,", "\"", "=x"}).empty());
  const auto open = parseChallenges({R"(Bearer realm="never ends)"});
  ASSERT_EQ(open.size(), 1U);
  EXPECT_TRUE(open[0].parameters.empty());
  EXPECT_TRUE(parseChallenges({R"(Bearer realm="\)"})[0].parameters.empty());
  EXPECT_EQ(parseChallenges({"Bearer a=1,a=2"})[0].parameter("a"), "1");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "Basic, ";
  EXPECT_EQ(parseChallenges({many}).size(), 16U);
}

}  // namespace
}  // namespace airlock::fetch
