// SPDX-License-Identifier: Apache-2.0
// Structures of a TPM that are nearly what one writes: docs/measurement-vectors, changed.
#include "attest/structures.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "attest/key.h"

namespace airlock::attest {
namespace {

std::string vectorNamed(const std::string& name) {
  std::ifstream file(AIRLOCK_SOURCE_DIR "/docs/measurement-vectors/evidence/" + name,
                     std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Where the vector's quote has them: its nonce has 16 bytes, its key's name 34.
constexpr std::size_t kSafe = 76;
constexpr std::size_t kFirstBank = 89;
constexpr std::size_t kSecondBank = 95;

std::string faultOfQuote(const std::string& bytes) {
  std::size_t trailing = 0;
  const auto quote = parseQuote(bytes, trailing);
  return quote ? "" : quote.error().code();
}

TEST(Structures, AQuoteHasAClockThatIsSafeOrIsNot) {
  std::string quote = vectorNamed("quote");
  ASSERT_EQ(faultOfQuote(quote), "");
  for (const char safe : {'\0', '\1'}) {
    quote[kSafe] = safe;
    std::size_t trailing = 0;
    EXPECT_EQ(parseQuote(quote, trailing)->safe, safe == '\1');
  }
  quote[kSafe] = '\2';
  EXPECT_EQ(faultOfQuote(quote), "E_ATTEST_STRUCTURE");
}

TEST(Structures, AQuoteSelectsABankOnce) {
  std::string quote = vectorNamed("quote");
  ASSERT_EQ(quote.substr(kFirstBank, 3), std::string("\x00\x0b\x03", 3));
  ASSERT_EQ(quote.substr(kSecondBank, 3), std::string("\x00\x0c\x03", 3));
  quote[kSecondBank + 1] = '\x0b';
  EXPECT_EQ(faultOfQuote(quote), "E_ATTEST_SELECTION");
}

TEST(Structures, APublicAreaHasTheSizeThatItSaysAndOneSpelling) {
  const std::string area = vectorNamed("ak.pub");
  ASSERT_TRUE(parsePublicArea(area));
  for (const char by : {'\1', '\2', '\4'}) {
    std::string other = area;
    other[1] = static_cast<char>(other[1] ^ by);
    EXPECT_FALSE(parsePublicArea(other));
    EXPECT_FALSE(parsePublicArea(other + std::string(8, '\0')));
  }
}

// Each attribute alone (Part 2, 8.3): without it the key could sign what its owner likes, or leave.
TEST(Structures, AnAttestationKeyNeedsEachOfItsAttributes) {
  const PublicArea good = parsePublicArea(vectorNamed("ak.pub")).value();
  ASSERT_FALSE(whyNoAttestationKey(good));
  for (bool PublicArea::*attribute :
       {&PublicArea::restricted, &PublicArea::signs, &PublicArea::signsSha256,
        &PublicArea::fixedToTpm, &PublicArea::fixedToParent, &PublicArea::madeByTpm}) {
    PublicArea other = good;
    other.*attribute = false;
    EXPECT_TRUE(whyNoAttestationKey(other));
  }
  PublicArea other = good;
  other.decrypts = true;
  EXPECT_TRUE(whyNoAttestationKey(other));
  other = good;
  other.nameHash = tpm::kSha1;
  EXPECT_TRUE(whyNoAttestationKey(other));
}

}  // namespace
}  // namespace airlock::attest
