// SPDX-License-Identifier: Apache-2.0
#include "image/types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace airlock::image {
namespace {

using testing::HasSubstr;

TEST(Types, VersionsAreSemantic) {
  for (const char* good :
       {"0.8.11", "1.30.0+git171c416f", "1.0.0-alpha.1", "1.0.0-a-b+c.d", "0.0.1"}) {
    EXPECT_TRUE(checkSemVer(good)) << good;
  }
  for (const char* bad : {"1", "1.2", "1.2.3.4", "v1.2.3", "1.2.x", "01.2.3", "1.2.3-", "1.2.3+",
                          "1.2.3-a..b", "1.2.3 ", "-1.2.3"}) {
    EXPECT_THAT(checkSemVer(bad).error().message(), HasSubstr("is not in dotted-tri format"))
        << bad;
  }
  EXPECT_EQ(checkSemVer("").error().message(), "acVersion must be set");
  EXPECT_EQ(checkSemVer("0.0.0").error().message(), "acVersion must be set");
}

TEST(Types, DatesAreRfc3339) {
  for (const char* good : {"2015-01-01T00:00:00Z", "2024-02-29T23:59:59.123456+05:30"}) {
    EXPECT_TRUE(checkDate(good)) << good;
  }
  for (const char* bad :
       {"", "2015-01-01", "2015-01-01 00:00:00Z", "2015-02-29T00:00:00Z", "2015-13-01T00:00:00Z",
        "2015-01-01T24:00:00Z", "2015-01-01T00:00:00", "2015-01-01T00:00:00.Z",
        "2015-01-01T00:00:00+5:30", "2015-00-01T00:00:00Z", "2015-01-01T00:00:00Z\n"}) {
    EXPECT_FALSE(checkDate(bad)) << bad;
  }
}

TEST(Types, UrlsAreHttp) {
  EXPECT_TRUE(checkWebUrl("https://example.com/x?y"));
  for (const char* bad : {"", "ftp://example.com", "example.com", "http://", "https:///x",
                          "https://a b", "javascript:alert(1)", "HTTPS://x"}) {
    EXPECT_FALSE(checkWebUrl(bad)) << bad;
  }
}

TEST(Types, ImageHashesMayBeShort) {
  EXPECT_TRUE(checkImageHash("sha512-aa"));
  EXPECT_TRUE(checkImageHash("sha512-" + std::string(128, 'f')));
  EXPECT_EQ(checkImageHash("sha512").error().message(), "badly formatted hash string");
  EXPECT_EQ(checkImageHash("md5-aa").error().message(), "unrecognized hash type: md5");
  EXPECT_EQ(checkImageHash("sha512-").error().message(), "unexpected empty hash value");
  for (const char* bad : {"sha512-a", "sha512-AA", "sha512-../x", "sha512-gg"}) {
    EXPECT_FALSE(checkImageHash(bad)) << bad;
  }
  EXPECT_FALSE(checkImageHash("sha512-" + std::string(129, 'f')));
  EXPECT_TRUE(checkImageHash("sha256-" + std::string(64, 'f')));
  EXPECT_FALSE(checkImageHash("sha256-" + std::string(65, 'f')));
}

TEST(Types, J09_EnvironmentNamesHoldNothingThatSplits) {
  for (const char* good : {"PATH", "_", "a.b-c", "LD_PRELOAD"})
    EXPECT_TRUE(checkEnvironmentName(good));
  for (const std::string_view bad :
       {std::string_view(""), std::string_view("A=B"), std::string_view("A\nB"),
        std::string_view("A\0B", 3), std::string_view("1A"), std::string_view("-a"),
        std::string_view("\xc3\xbc")}) {
    EXPECT_FALSE(checkEnvironmentName(bad)) << bad;
  }
}

TEST(Types, PlatformsComeFromTheTable) {
  EXPECT_TRUE(checkLabels({{"version", "1"}, {"os", "linux"}, {"arch", "amd64"}}));
  EXPECT_TRUE(checkLabels({{"arch", "anything"}}));
  EXPECT_EQ(checkLabels({{"os", "plan9"}}).error().message(),
            "bad os \"plan9\" (must be one of: [darwin freebsd linux])");
  EXPECT_EQ(checkLabels({{"os", "linux"}, {"arch", "x86_64"}}).error().message(),
            "bad arch \"x86_64\" for linux (must be one of: [amd64 i386 aarch64 aarch64_be armv6l "
            "armv7l armv7b ppc64 ppc64le s390x])");
  EXPECT_FALSE(checkLabels({{"os", "darwin"}, {"arch", ""}}));
  EXPECT_FALSE(checkLabels({{"a", "1"}, {"a", "1"}}));
  EXPECT_FALSE(checkLabels({{"name", "x"}}));
  EXPECT_FALSE(checkLabels({{"Version", "x"}}));
  EXPECT_TRUE(requirePlatform({{"os", "linux"}, {"arch", "amd64"}}));
  EXPECT_EQ(requirePlatform({{"os", "linux"}}).error().message(),
            "missing os/arch label in the image manifest");
}

TEST(Types, ArchitecturesHaveOneName) {
  EXPECT_EQ(appcArchitecture("x86_64"), "amd64");
  EXPECT_EQ(appcArchitecture("i686"), "i386");
  EXPECT_EQ(appcArchitecture("386"), "i386");
  EXPECT_EQ(appcArchitecture("arm64"), "aarch64");
  EXPECT_EQ(appcArchitecture("riscv64"), "");
  EXPECT_TRUE(checkPlatform({{"os", "linux"}, {"arch", std::string(hostArchitecture())}}));
}

TEST(Types, AppNamesAreMadeOfAnyText) {
  EXPECT_EQ(sanitizeAppName("My_App.v1")->text(), "my-app-v1");
  EXPECT_EQ(sanitizeAppName("--x--")->text(), "x");
  EXPECT_FALSE(sanitizeAppName("___"));
  EXPECT_FALSE(sanitizeAppName(""));
}

}  // namespace
}  // namespace airlock::image
