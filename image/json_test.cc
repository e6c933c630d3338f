// SPDX-License-Identifier: Apache-2.0
#include "image/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/limits.h"
#include "image/json_reader.h"

namespace airlock::image {
namespace {

using testing::HasSubstr;

std::string refusal(std::string_view text) {
  const auto result = parseJson(text, limits::kManifestBytes);
  if (result) return "accepted";
  EXPECT_EQ(result.error().code(), "E_JSON");
  return result.error().message();
}
bool accepts(std::string_view text) { return parseJson(text, limits::kManifestBytes).has_value(); }

TEST(Json, J01_DeepNestingIsRefusedWithoutRecursion) {
  const std::string open(1'000'000, '[');
  EXPECT_THAT(refusal(open), HasSubstr("nested too deeply"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  EXPECT_THAT(refusal(objects), HasSubstr("nested too deeply"));
  EXPECT_TRUE(accepts(std::string(limits::kJsonDepth, '[') + std::string(limits::kJsonDepth, ']')));
  EXPECT_FALSE(
      accepts(std::string(limits::kJsonDepth + 1, '[') + std::string(limits::kJsonDepth + 1, ']')));
}

TEST(Json, J02_DuplicateKeysAreRefusedHoweverTheyAreSpelt) {
  EXPECT_THAT(refusal(R"({"name":1,"name":2})"), HasSubstr("the key \"name\" stands twice"));
  EXPECT_THAT(refusal(R"({"name":1,"n\u0061me":2})"), HasSubstr("stands twice"));
  EXPECT_THAT(refusal(R"({"a":{"b":1,"c":2,"b":3}})"), HasSubstr("stands twice"));
  EXPECT_TRUE(accepts(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]})"));
}

TEST(Json, J03_NumbersThatDoNotFitAreRefused) {
  EXPECT_FALSE(accepts("1e400"));
  EXPECT_FALSE(accepts("-0"));
  EXPECT_FALSE(accepts("9223372036854775808"));
  EXPECT_FALSE(accepts("18446744073709551616"));
  EXPECT_FALSE(accepts("-9223372036854775809"));
  EXPECT_FALSE(accepts(std::string(1'000'000, '9')));
  EXPECT_FALSE(accepts("01"));
  EXPECT_FALSE(accepts("+1"));
  EXPECT_EQ(parseJson("9223372036854775807", 100)->get<std::int64_t>(), 9223372036854775807);
  EXPECT_EQ(parseJson("-9223372036854775808", 100)->get<std::int64_t>(), INT64_MIN);
  EXPECT_EQ(parseJson("9007199254740993", 100)->get<std::int64_t>(), 9007199254740993);
}

TEST(Json, J03_AFractionIsNoInteger) {
  const Json json = parseJson(R"({"a":0.1,"b":1.0,"c":1e2,"d":7})", 100).value();
  const ObjectReader reader = ObjectReader::of(json, "").value();
  EXPECT_FALSE(reader.integer("a", 0, 1000));
  EXPECT_FALSE(reader.integer("b", 0, 1000));
  EXPECT_FALSE(reader.integer("c", 0, 1000));
  EXPECT_EQ(reader.integer("d", 0, 1000).value(), 7);
  EXPECT_FALSE(reader.integer("d", 0, 6));
  EXPECT_EQ(reader.integer("absent", 0, 6).value(), std::nullopt);
}

TEST(Json, J04_OnlyCleanUnicodeIsAccepted) {
  EXPECT_FALSE(accepts("\"\xff\""));
  EXPECT_FALSE(accepts("\"\xc0\xaf\""));
  EXPECT_FALSE(accepts("\"\xed\xa0\x80\""));
  EXPECT_FALSE(accepts(R"("\ud800")"));
  EXPECT_FALSE(accepts(R"("\udc00\ud800")"));
  EXPECT_THAT(refusal("\xef\xbb\xbf{}"), HasSubstr("byte order mark"));
  EXPECT_THAT(refusal(R"({"a":"x\u0000y"})"), HasSubstr("NUL"));
  EXPECT_THAT(refusal(R"({"x\u0000y":1})"), HasSubstr("NUL"));
  EXPECT_FALSE(accepts(std::string_view("\"a\0b\"", 5)));
  EXPECT_FALSE(accepts(std::string_view("{}\0", 3)));
  EXPECT_FALSE(accepts(std::string_view("{}\0{\"a\":1}", 10)));
  EXPECT_TRUE(accepts(R"("\ud83d\ude00 ü")"));
}

TEST(Json, J05_NothingButOneJsonValueIsAccepted) {
  for (const char* bad :
       {"", " ", "{} x", "{}{}", "[1,]", "{\"a\":1,}", "// c\n{}", "/* c */{}", "NaN", "Infinity",
        "{'a':1}", "{a:1}", "[1 2]", "\"a", "{\"a\"}", "tru", "\"\t\"", "[", "]"}) {
    EXPECT_FALSE(accepts(bad)) << bad;
  }
}

TEST(Json, J06_SizesAreLimited) {
  const std::string big = "\"" + std::string(limits::kManifestBytes, 'a') + "\"";
  EXPECT_FALSE(parseJson(big, limits::kManifestBytes));
  std::string keys = "{";
  std::string items = "[";
  for (int i = 0; i < 100'000; ++i) {
    keys += (i != 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
    items += i != 0 ? ",0" : "0";
  }
  EXPECT_THAT(parseJson(keys + "}", 16 * limits::MiB).error().message(), HasSubstr("too many"));
  EXPECT_THAT(parseJson(items + "]", 16 * limits::MiB).error().message(), HasSubstr("too many"));
}

struct CloseProcess {
  void operator()(FILE* stream) const { pclose(stream); }
};

TEST(Json, J12_AgreesWithAnotherParserOnDamagedDocuments) {
  const std::string command =
      "/usr/bin/python3 " AIRLOCK_SOURCE_DIR "/image/json_oracle.py 1 10000 " AIRLOCK_SOURCE_DIR
      "/fuzz/corpus/*_json/*.json";
  const std::unique_ptr<FILE, CloseProcess> oracle(popen(command.c_str(), "re"));
  ASSERT_NE(oracle, nullptr);
  int documents = 0;
  int accepted = 0;
  std::size_t size = 0;
  std::size_t rewrittenSize = 0;
  for (; fscanf(oracle.get(), "%d %zu %zu", &accepted, &size, &rewrittenSize) == 3; ++documents) {
    ASSERT_EQ(fgetc(oracle.get()), '\n');
    std::string text(size, '\0');
    std::string rewritten(rewrittenSize, '\0');
    ASSERT_EQ(fread(text.data(), 1, size, oracle.get()), size);
    ASSERT_EQ(fread(rewritten.data(), 1, rewrittenSize, oracle.get()), rewrittenSize);
    const auto ours = parseJson(text, limits::kManifestBytes);
    ASSERT_EQ(ours.has_value(), accepted == 1) << text;
    if (ours) {
      ASSERT_EQ(*ours, parseJson(rewritten, limits::kManifestBytes).value()) << text;
    }
  }
  EXPECT_EQ(documents, 10000);
}

TEST(Json, ErrorsNameThePlace) {
  EXPECT_THAT(refusal("{\n  \"a\": 1,\n  \"a\": 2\n}"), HasSubstr("Error at line 3, column 5: "));
  EXPECT_THAT(refusal("{\n\"a\": x}"), HasSubstr("Error at line 2, column 6: "));
  EXPECT_LT(refusal("\"" + std::string(100'000, 'a')).size(), 400U);
  EXPECT_EQ(refusal("\x1b[2J").find('\x1b'), std::string::npos);
}

TEST(Json, IsWrittenAsGoWritesIt) {
  const Json json = parseJson(R"({"z":[1,{"b":"<&>"}],"a":{},"e":[],"n":null})", 100).value();
  EXPECT_EQ(writeJson(json, JsonStyle::Compact),
            R"({"z":[1,{"b":"\u003c\u0026\u003e"}],"a":{},"e":[],"n":null})");
  EXPECT_EQ(writeJson(json, JsonStyle::Pretty),
            "{\n\t\"z\": [\n\t\t1,\n\t\t{\n\t\t\t\"b\": \"\\u003c\\u0026\\u003e\"\n\t\t}\n\t],\n"
            "\t\"a\": {},\n\t\"e\": [],\n\t\"n\": null\n}");
}

TEST(Json, H15_WrittenTextCannotDriveATerminal) {
  const Json json = "\x1b[2J\x7f \xc2\x9b \xe2\x80\xa8\xe2\x80\xa9 \xc3\xbc \xff";
  EXPECT_EQ(writeJson(json, JsonStyle::Compact),
            "\"\\u001b[2J\\u007f \\u009b \\u2028\\u2029 \xc3\xbc \xef\xbf\xbd\"");
}

}  // namespace
}  // namespace airlock::image
