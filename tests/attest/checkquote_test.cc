// SPDX-License-Identifier: Apache-2.0
// Why there is a verifier of our own: what tpm2_checkquote, as Debian has it, takes for good, and
// what ours says of the same files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/attest/quoted_host.h"

namespace airlock::attest::test {
namespace {

using testing::HasSubstr;

class BesideCheckquote : public testing::Test {
 protected:
  void SetUp() override {
    host_.makeKeys();
    host_.run();
  }
  // Its verdict on these files.
  bool takes(const Files& files, const std::string& pem) {
    host_.files().write("it.pem", pem);
    host_.files().write("it.quote", files.at("quote"));
    host_.files().write("it.sig", files.at("quote.sig"));
    const std::string at = host_.files().path() + "/it.";
    said_ = tpm::test::shell("tpm2_checkquote -u " + at + "pem -m " + at + "quote -s " + at +
                             "sig -g sha256 -q " + kNonceHex + " 2>&1; echo =$?");
    return said_.ends_with("=0\n");
  }
  std::string version() const { return tpm::test::shell("tpm2_checkquote --version 2>&1"); }

  QuotedHost host_;
  std::string said_;
};

TEST_F(BesideCheckquote, BothTakeAGoodQuoteAndNeitherAnotherNonceOrAnEditedOne) {
  const Files good = host_.quote();
  EXPECT_TRUE(takes(good, host_.pem())) << said_;
  EXPECT_EQ(judgeEvidence(good, host_.pem()).text, "");
  Files edited = good;
  edited["quote"][40] ^= 1;
  EXPECT_FALSE(takes(edited, host_.pem()));
  EXPECT_EQ(judgeEvidence(edited, host_.pem()).code, "E_ATTEST_SIGNATURE");
  const Files other = host_.quote("ffeeddccbbaa99887766554433221100");
  EXPECT_FALSE(takes(other, host_.pem()));
  EXPECT_EQ(judgeEvidence(other, host_.pem()).code, "E_ATTEST_NONCE");
}

// Whoever has a key that signs anything, such as one that is not restricted, writes his own quotes.
TEST_F(BesideCheckquote, M05_AForgedMagicIsRefusedByOursAlone) {
  const SoftKey key;
  Files files = host_.quote();
  files.erase("ak.pub");
  files["quote"][0] = '\0';
  files["quote.sig"] = key.sign(files["quote"]);
  const Verdict ours = judgeEvidence(files, key.pem());
  EXPECT_EQ(ours.code, "E_ATTEST_MAGIC");
  if (!takes(files, key.pem())) {
    GTEST_SKIP() << "this tpm2_checkquote looks at the magic, as it should: " << version() << said_;
  }
}

// What ran is in register 15, and this quote is of others.
TEST_F(BesideCheckquote, M04_AQuoteWithoutOurRegisterIsRefusedByOursAlone) {
  const Files files = host_.quote(kNonceHex, "sha256:0,1,2,3");
  const Verdict ours = judgeEvidence(files, host_.publicArea());
  EXPECT_EQ(ours.code, "E_ATTEST_SELECTION");
  EXPECT_THAT(ours.text, HasSubstr("register 15"));
  if (!takes(files, host_.pem())) {
    GTEST_SKIP() << "this tpm2_checkquote wants to know which registers there must be: "
                 << version() << said_;
  }
}

}  // namespace
}  // namespace airlock::attest::test
