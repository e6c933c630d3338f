// SPDX-License-Identifier: Apache-2.0
#include "image/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace airlock::image {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<Label> kLabels = {{"version", "1.0+a"}, {"os", "linux"}, {"arch", "amd64"}};

ImageName name(std::string_view text) { return ImageName::parse(text).value(); }
std::optional<std::string> render(std::string_view text,
                                  const std::vector<Label>& labels = kLabels) {
  return renderTemplate(text, name("example.com/app"), labels, "aci");
}

TEST(Discovery, AsksFromTheNameUpwards) {
  EXPECT_THAT(discoveryUrls(name("a.b/c/d"), "https"),
              ElementsAre("https://a.b/c/d?ac-discovery=1", "https://a.b/c?ac-discovery=1",
                          "https://a.b?ac-discovery=1"));
  EXPECT_THAT(discoveryUrls(name("a"), "http"), ElementsAre("http://a?ac-discovery=1"));
}

TEST(Discovery, TemplatesAreFilledAndEscaped) {
  EXPECT_EQ(render("https://h/{name}-{version}-{os}-{arch}.{ext}"),
            "https://h/example.com/app-1.0%2Ba-linux-amd64.aci");
  EXPECT_EQ(render("https://h/{version}", {}), "https://h/latest");
  EXPECT_EQ(render("https://h/{v}", {{"v", "a/b?c#d{os}%41 é"}}),
            "https://h/a%2Fb%3Fc%23d%7Bos%7D%2541%20%C3%A9");
}

TEST(Discovery, TemplatesThatGiveNoCleanUrlAreSkipped) {
  for (const char* bad : {"https://h/{unknown}", "https://h/{name", "https://h/{", "https://h/}",
                          "ftp://h/x", "https", "http", "https:/", "https://", "https:///x",
                          "h/{name}", "https://u:p@h/x", "https://h/a b", "https://h/\"x",
                          "https://h/\x01", "javascript:x", "{v}", "https://h/\xc3\xa9"}) {
    EXPECT_EQ(render(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(render("https://h/{v}/x", {{"v", ".."}}), std::nullopt);
  EXPECT_EQ(render("https://h/" + std::string(10'000, 'a')), std::nullopt);
}

TEST(Discovery, ContentIsAPrefixAndATemplate) {
  EXPECT_EQ(parseMetaContent("  example.com \t https://x/{name} ")->prefix, "example.com");
  EXPECT_EQ(parseMetaContent("  example.com \t https://x/{name} ")->urlTemplate,
            "https://x/{name}");
  EXPECT_EQ(parseMetaContent("example.com/ https://x")->prefix, "example.com");
  EXPECT_FALSE(parseMetaContent("example.com"));
  EXPECT_FALSE(parseMetaContent(""));
  EXPECT_FALSE(parseMetaContent("/ https://x"));
}

TEST(Discovery, EndpointsComeInTheOrderOfThePage) {
  const std::vector<MetaTag> tags = {
      {"ac-discovery", "example.com https://first/{nope}"},
      {"ac-discovery-pubkeys", "example.com https://keys/one.gpg"},
      {"ac-discovery", "example.com https://h/{name}.{ext}"},
      {"viewport", "example.com https://other/{ext}"},
      {"ac-discovery", "other.org https://evil/{ext}"},
      {"ac-discovery", "example.com/app https://second/{ext}"},
      {"ac-discovery-pubkeys", "example.com https://keys/two.gpg"},
      {"ac-discovery-pubkeys", "example.com https://keys/one.gpg"},
      {"ac-discovery-pubkeys", "example.com file:///etc/shadow"},
  };
  EXPECT_THAT(imageEndpoints(tags, name("example.com/app"), kLabels),
              ElementsAre(ImageEndpoint{"https://h/example.com/app.aci",
                                        "https://h/example.com/app.aci.asc"},
                          ImageEndpoint{"https://second/aci", "https://second/aci.asc"}));
  EXPECT_THAT(keyUrls(tags, name("example.com/app")),
              ElementsAre("https://keys/one.gpg", "https://keys/two.gpg"));
  EXPECT_THAT(imageEndpoints(tags, name("unrelated.net/x"), kLabels), IsEmpty());
}

TEST(Discovery, S21_PrefixesEndAtComponents) {
  const std::vector<MetaTag> tags = {{"ac-discovery", "example.com/app https://h/{ext}"},
                                     {"ac-discovery-pubkeys", "example.com/app https://h/k"}};
  for (const char* covered : {"example.com/app", "example.com/app/sub"}) {
    EXPECT_EQ(imageEndpoints(tags, name(covered), kLabels).size(), 1U) << covered;
    EXPECT_EQ(keyUrls(tags, name(covered)).size(), 1U) << covered;
  }
  for (const char* other : {"example.com/application", "example.com/app-evil", "example.com/ap"}) {
    EXPECT_THAT(imageEndpoints(tags, name(other), kLabels), IsEmpty()) << other;
    EXPECT_THAT(keyUrls(tags, name(other)), IsEmpty()) << other;
  }
  for (const char* invalid : {"EXAMPLE.com/app", "example.com//app", "example.com/app/../root"}) {
    EXPECT_FALSE(ImageName::parse(invalid)) << invalid;
  }
}

}  // namespace
}  // namespace airlock::image
