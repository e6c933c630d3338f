// SPDX-License-Identifier: Apache-2.0
// The archive that evidence comes in: what is known is read, all else is refused.
#include "attest/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

namespace airlock::attest {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;

std::string member(const std::string& name, const std::string& content, char type = '0',
                   const std::string& prefix = "") {
  std::string block(512, '\0');
  block.replace(0, name.size(), name);
  block.replace(100, 7, "0000644");
  char size[16];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  block.replace(124, 11, size);
  block.replace(136, 11, "00000000000");
  block.replace(148, 8, "        ");
  block[156] = type;
  block.replace(257, 8, "ustar\00000"s);
  block.replace(345, prefix.size(), prefix);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(size, sizeof size, "%06o", sum);
  block.replace(148, 6, size);
  block[154] = '\0';
  return block + content + std::string((512 - content.size() % 512) % 512, '\0');
}
const std::string kEnd(1024, '\0');

void expectRefused(const std::string& archive, const std::string& why) {
  const auto evidence = readEvidence(archive);
  ASSERT_FALSE(evidence) << why;
  EXPECT_EQ(evidence.error().code(), "E_ATTEST_EVIDENCE") << why;
}

TEST(EvidenceArchive, FilesAreFoundByTheirNames) {
  const std::string image = "sha512-" + std::string(128, 'a');
  const std::string archive = member("./", "", '5') + member("./quote", "Q") +
                              member("events.cel", std::string(600, 'e')) +
                              member("signature", "S", '0', "images/" + image) +
                              member("trusted/key", "K") + kEnd + std::string(8192, '\0');
  const auto evidence = readEvidence(archive);
  ASSERT_TRUE(evidence) << evidence.error().text();
  EXPECT_EQ(evidence->quote, "Q");
  EXPECT_EQ(evidence->log->size(), 600U);
  EXPECT_EQ(evidence->images.at(image).signature, "S");
  EXPECT_EQ(evidence->trusted.at("key"), "K");
  EXPECT_FALSE(evidence->registers);
}

TEST(EvidenceArchive, UnknownAndRepeatedNamesAreRefused) {
  expectRefused(member("quote", "Q") + member("quote", "R") + kEnd, "twice");
  expectRefused(member("./quote", "Q") + member("quote", "R") + kEnd, "twice, spelled otherwise");
  expectRefused(member("notes", "N") + kEnd, "unknown");
  expectRefused(member("../quote", "Q") + kEnd, "above");
  expectRefused(member("/quote", "Q") + kEnd, "absolute");
  expectRefused(member("trusted/../quote", "Q") + kEnd, "through a directory");
  expectRefused(member("images/latest/signature", "S") + kEnd, "no image id");
  expectRefused(member("notes", "", '5') + kEnd, "an unknown directory");
}

TEST(EvidenceArchive, OnlyRegularFilesAreTaken) {
  for (const char type : {'1', '2', '3', '6', '7', 'x', 'g', 'L', 'S', '\0'}) {
    expectRefused(member("quote", "", type) + kEnd, std::string(1, type));
  }
}

TEST(EvidenceArchive, ATornOrContinuedArchiveIsRefused) {
  const std::string whole = member("quote", "Q") + kEnd;
  ASSERT_TRUE(readEvidence(whole));
  for (const std::size_t size : {0, 1, 511, 512, 700, 1024, 1536, 2047}) {
    expectRefused(whole.substr(0, size), std::to_string(size));
  }
  expectRefused(whole + member("pcrs", "{}") + kEnd, "a second archive behind it");
  std::string padded = whole;
  padded[600] = 'x';
  expectRefused(padded, "something in the padding");
  std::string sum = whole;
  sum[0] = 'Q';
  expectRefused(sum, "a wrong checksum");
  std::string huge = whole;
  huge.replace(124, 12, "\x80\0\0\0\0\0\0\0\0\0\0\x01"s);
  expectRefused(huge, "a size in base 256");
}

}  // namespace
}  // namespace airlock::attest
