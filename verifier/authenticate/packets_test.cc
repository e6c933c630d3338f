// SPDX-License-Identifier: Apache-2.0
// The prefilter on hand-made bytes: what gpg itself would never write.
#include "verifier/authenticate/packets.h"

#include <gtest/gtest.h>

#include "verifier/authenticate/armor.h"

namespace airlock::verifier {
namespace {

using namespace std::string_literals;

// A version 4 signature: type, algorithms, hashed and unhashed subpackets, digest prefix, one
// number.
std::string body(const std::string& hashed = "\x05\x02\x60\x00\x00\x00"s,
                 const std::string& unhashed = "", const std::string& head = "\x04\x00\x01\x08"s) {
  return head + '\0' + static_cast<char>(hashed.size()) + hashed + '\0' +
         static_cast<char>(unhashed.size()) + unhashed + "\xAA\xBB" + "\x00\x08\xFF"s;
}
std::string packet(const std::string& content, char tag = '\x88') {
  return tag + (static_cast<char>(content.size()) + content);
}
std::string code(const std::string& file) {
  const auto result = parseSignatureFile(file);
  return result ? std::to_string(result->size()) : result.error().code();
}

TEST(Packets, ASignatureSaysWhatItIs) {
  const auto result = parseSignatureFile(
      packet(body("\x05\x02\x60\x00\x00\x00"s, "\x09\x10\x01\x23\x45\x67\x89\xab\xcd\xef"s)));
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->at(0).created, 0x60000000);
  EXPECT_EQ(result->at(0).hashAlgorithm, 8);
  EXPECT_EQ(result->at(0).publicKeyAlgorithm, 1);
  EXPECT_EQ(result->at(0).issuer, "0123456789abcdef");
  EXPECT_FALSE(result->at(0).unknownCritical);
}

TEST(Packets, WhatIsSerializedReadsTheSame) {
  const auto once = parseSignatureFile(packet(body())).value();
  EXPECT_EQ(parseSignatureFile(serialize(once.at(0))).value(), once);
}

TEST(Packets, EveryDefiniteLengthIsRead) {
  const std::string content = body();
  const auto size = static_cast<char>(content.size());
  EXPECT_EQ(code("\x89\0"s + size + content), "1");
  EXPECT_EQ(code("\x8A\0\0\0"s + size + content), "1");
  EXPECT_EQ(code("\xC2"s + size + content), "1");
  EXPECT_EQ(code("\xC2\xFF\0\0\0"s + size + content), "1");
  EXPECT_EQ(code("\x8B"s + content), "E_SIG_KIND");      // indeterminate
  EXPECT_EQ(code("\xC2\xE4"s + content), "E_SIG_KIND");  // partial
}

TEST(Packets, LengthsThatLieAreRefused) {
  EXPECT_EQ(code("\x88"s), "E_SIG_KIND");
  EXPECT_EQ(code("\x88\xFF"s + body()), "E_SIG_KIND");
  EXPECT_EQ(code("\xC2\xFF\xFF\xFF\xFF\xFF"s + body()), "E_SIG_KIND");
  EXPECT_EQ(code(packet(body("\x06\x02\x60\x00\x00\x00"s))), "E_SIG_KIND");
  EXPECT_EQ(code(packet(body("\x00"s))), "E_SIG_KIND");
  EXPECT_EQ(code(packet(body("\x03\x02\x60\x00"s))), "E_SIG_KIND");
  EXPECT_EQ(code(packet(body().substr(0, 9))), "E_SIG_KIND");
}

TEST(Packets, S14_OtherVersionsAndTypesAreRefused) {
  for (const std::string& head : {"\x03\x00\x01\x08"s, "\x05\x00\x16\x08"s, "\x06\x00\x1b\x08"s,
                                  "\x04\x01\x01\x08"s, "\x04\x02\x01\x08"s, "\x04\x10\x01\x08"s}) {
    EXPECT_EQ(code(packet(body("", "", head))), "E_SIG_KIND");
  }
}

TEST(Packets, S11_OtherPacketsAreRefused) {
  for (const char tag : {'\x90', '\xA3', '\xAC', '\xC8', '\xD2', '\x98'}) {
    EXPECT_EQ(code(packet(body()) + packet(body(), tag)), "E_SIG_KIND");
  }
}

TEST(Packets, S13_NineSignaturesAreTooMany) {
  std::string file;
  for (char index = 0; index < 8; ++index) file += packet(body("\x05\x02\x60\x00\x00"s + index));
  EXPECT_EQ(code(file), "8");
  EXPECT_EQ(code(file + packet(body())), "E_SIG_KIND");
}

TEST(Packets, S15_CriticalBitsAreSeen) {
  EXPECT_TRUE(parseSignatureFile(packet(body("\x02\xE4x"s)))->at(0).unknownCritical);
  EXPECT_FALSE(parseSignatureFile(packet(body("\x02\x64x"s)))->at(0).unknownCritical);
  EXPECT_FALSE(
      parseSignatureFile(packet(body("\x05\x82\x60\x00\x00\x00"s)))->at(0).unknownCritical);
}

TEST(Armor, IsReadStrictly) {
  const std::string good =
      "-----BEGIN PGP SIGNATURE-----\nVersion: x\n\naGVsbG8=\n=aBCd\n-----END PGP SIGNATURE-----\n";
  const auto wrongSum = readArmor(good, "PGP SIGNATURE");
  ASSERT_FALSE(wrongSum);
  EXPECT_EQ(wrongSum.error().message(), "its armor checksum is wrong");
  std::string without = good;
  without.erase(without.find("=aBCd\n"), 6);
  EXPECT_EQ(readArmor(without, "PGP SIGNATURE").value(), "hello");
  EXPECT_FALSE(readArmor(without, "PGP PUBLIC KEY BLOCK"));
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"aGVsbG8=", "aGVsbG8"},
                                                        {"aGVsbG8=", "aGVsbG9="},
                                                        {"aGVsbG8=", "aGVs bG8="},
                                                        {"Version: x", "Version x"},
                                                        {"Version: x", "Version: \x1b"},
                                                        {"-----END", "----END"},
                                                        {"aGVsbG8=\n", "aGVsbG8=\n\n-----END\n"}}) {
    std::string changed = without;
    changed.replace(changed.find(from), from.size(), to);
    EXPECT_FALSE(readArmor(changed, "PGP SIGNATURE")) << changed;
  }
}

}  // namespace
}  // namespace airlock::verifier
