// SPDX-License-Identifier: Apache-2.0
#include "cli/quote_client.h"

#include <gtest/gtest.h>

namespace airlock::cli {
namespace {

std::string codeOf(const auto& result) { return result ? "" : std::string(result.error().code()); }

TEST(QuoteArguments, ANonceHasSixteenToSixtyFourBytes) {
  EXPECT_EQ(*parseNonce("000102030405060708090a0b0c0d0eff"),
            std::string("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\377", 16));
  EXPECT_EQ(parseNonce(std::string(128, 'a'))->size(), 64U);
  EXPECT_EQ(*parseNonce(std::string(32, 'A')), *parseNonce(std::string(32, 'a')));
  for (const std::string& wrong :
       {std::string(), std::string(30, 'a'), std::string(33, 'a'), std::string(130, 'a'),
        std::string(32, 'g'), std::string(32, ' ')}) {
    EXPECT_EQ(codeOf(parseNonce(wrong)), "E_USAGE") << wrong;
  }
}

TEST(QuoteArguments, RegistersAreListsAndRangesOfBanks) {
  const auto selection = parsePcrs("sha256:0-7,14+sha384:15");
  ASSERT_TRUE(selection) << selection.error().text();
  ASSERT_EQ(selection->size(), 2U);
  EXPECT_EQ((*selection)[0].algorithm, "sha256");
  EXPECT_EQ((*selection)[0].registers, 0x40ffU);
  EXPECT_EQ((*selection)[1].algorithm, "sha384");
  EXPECT_EQ((*selection)[1].registers, 0x8000U);
  EXPECT_EQ(parsePcrs("15,23")->front().registers, 0x808000U);
  EXPECT_TRUE(parsePcrs("")->empty());
  for (const char* wrong : {"sha256:", "24", "7-0", "-1", "1-", "a", "1,,2", "1+", ":", "0x1"}) {
    EXPECT_EQ(codeOf(parsePcrs(wrong)), std::string(wrong) == "1+" ? "" : "E_USAGE") << wrong;
  }
}

}  // namespace
}  // namespace airlock::cli
