// SPDX-License-Identifier: Apache-2.0
#include "image/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/types.h"

namespace airlock::image {
namespace {

using testing::HasSubstr;

Result<ImageReference> parse(std::string_view argument, bool isFile = false) {
  return parseImageReference(argument, [&](std::string_view) { return isFile; });
}
std::string refusal(std::string_view argument) {
  const auto reference = parse(argument);
  return reference ? "accepted" : reference.error().text();
}
const std::string kArch(hostArchitecture());

NamedImage named(std::string_view name, std::vector<Label> labels) {
  return {.name = ImageName::parse(name).value(), .labels = std::move(labels)};
}

TEST(Reference, HashesComeFirst) {
  EXPECT_EQ(parse("sha512-aa", true).value(), ImageReference(HashPrefix{"sha512-aa"}));
  for (const char* bad : {"sha512-", "sha512-a", "sha512-AB", "sha512-xyz", "sha512-aa/../b"}) {
    EXPECT_FALSE(parse(bad)) << bad;
  }
}

TEST(Reference, UrlsAreOfImages) {
  EXPECT_EQ(parse("https://example.com/a.aci").value(),
            ImageReference(WebUrl{"https://example.com/a.aci"}));
  EXPECT_EQ(parse("http://example.com/a.aci?x=y").value(),
            ImageReference(WebUrl{"http://example.com/a.aci?x=y"}));
  EXPECT_EQ(parse("file:///tmp/a%20b.aci").value(), ImageReference(FilePath{"/tmp/a b.aci"}));
  EXPECT_EQ(parse("file://localhost/tmp/a.aci").value(), ImageReference(FilePath{"/tmp/a.aci"}));
  for (const char* bad : {"https://example.com/a", "https://example.com", "https://example.com.aci",
                          "https:///a.aci", "file://host/a.aci", "file:///tmp/a", "file:///%00.aci",
                          "https://example.com/x?a.aci", "https://a b/c.aci"}) {
    EXPECT_THAT(refusal(bad), HasSubstr("invalid image string")) << bad;
  }
  EXPECT_THAT(refusal("ftp://x/a.aci"), HasSubstr("unsupported URL scheme"));
}

TEST(Reference, PathsAreRecognized) {
  for (const char* path : {"/x", "./x", "../x", "dir/./x", "x.aci", "dir/x.aci", "X.aci"}) {
    EXPECT_EQ(parse(path).value(), ImageReference(FilePath{path})) << path;
  }
  EXPECT_EQ(parse("example.com/app:1", true).value(),
            ImageReference(FilePath{"example.com/app:1"}));
  EXPECT_TRUE(std::holds_alternative<NamedImage>(parse("example.com/app:1").value()));
  EXPECT_TRUE(std::holds_alternative<NamedImage>(parse("app.aci:1").value()));
}

TEST(Reference, NamesGetTheLabelsOfTheHost) {
  EXPECT_EQ(parse("example.com/app").value(),
            ImageReference(named("example.com/app", {{"os", "linux"}, {"arch", kArch}})));
  EXPECT_EQ(parseNamedImage("example.com/app:1.0+x").value(),
            named("example.com/app", {{"version", "1.0+x"}, {"os", "linux"}, {"arch", kArch}}));
  EXPECT_EQ(
      parseNamedImage("app,version=2,arch=i386,channel=a=b c").value(),
      named("app", {{"version", "2"}, {"arch", "i386"}, {"channel", "a=b c"}, {"os", "linux"}}));
  EXPECT_EQ(parse("cimd:appc:v=0:coreos.com/etcd?version=v3%2B1&os=linux&arch=amd64").value(),
            ImageReference(named("coreos.com/etcd",
                                 {{"version", "v3+1"}, {"os", "linux"}, {"arch", "amd64"}})));
  EXPECT_EQ(parse("cimd:aci-archive:v=0:https%3A%2F%2Fexample.com%2Fa.aci").value(),
            ImageReference(WebUrl{"https://example.com/a.aci"}));
}

TEST(Reference, MalformedNamesAreRefused) {
  const std::vector<std::pair<const char*, const char*>> rows = {
      {"", "is empty"},
      {"app,version", "has a label without a value: version"},
      {"app,", "ends in a comma"},
      {"app:", "has no value"},
      {"app:1:2", "at most once"},
      {"app,a=b:c", "only right after the app name"},
      {"app:1,version=2", "duplicate labels"},
      {"app,os=plan9", "bad os"},
      {"app,arch=z80", "bad arch"},
      {"App", "ACIdentifier must contain only"},
      {"example.com//app", "must not have empty"},
      {"app,name=x", "invalid label name"},
      {"cimd:appc:v=1:a", "malformed distribution"},
      {"cimd:x:v=0:a", "unknown type"},
      {"cimd:appc:v=0:a?b=c%2Cd", "':', ',' or control characters"},
      {"cimd:appc:v=0:a?b=%zz", "malformed escape"},
  };
  for (const auto& [text, why] : rows) EXPECT_THAT(refusal(text), HasSubstr(why)) << text;
  EXPECT_FALSE(parse(std::string(100'000, 'a')));
  EXPECT_FALSE(parseNamedImage("example.com/app/../root"));
  EXPECT_FALSE(parse("app:\x1b[2J"));
}

TEST(Reference, J10_OptionsAreNoImages) {
  for (const char* text : {"-", "--help", "-c", "--", "-/x.aci"}) {
    EXPECT_THAT(refusal(text), HasSubstr("not an image")) << text;
  }
}

TEST(Reference, TheShortestTextReadsBack) {
  for (const char* text : {"example.com/app", "example.com/app:1.0", "app,arch=i386",
                           "app:1,os=freebsd,arch=arm,channel=x"}) {
    const NamedImage image = parseNamedImage(text).value();
    EXPECT_EQ(parseNamedImage(referenceText(image)).value(), image) << text;
  }
  EXPECT_EQ(referenceText(parseNamedImage("example.com/app:1.0").value()), "example.com/app:1.0");
}

}  // namespace
}  // namespace airlock::image
