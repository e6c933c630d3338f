// SPDX-License-Identifier: Apache-2.0
#include "image/oci_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "image/reference.h"

namespace airlock::image {
namespace {

using ::testing::HasSubstr;

const std::string kHex(64, 'a');

std::string canonical(std::string_view text) {
  const auto image = parseRegistryImage(text);
  return image ? referenceText(*image) : "refused: " + image.error().code();
}

TEST(OciReference, AHostIsWhatDockerTakesForOne) {
  const std::map<std::string, std::string> rows = {
      {"busybox", "registry-1.docker.io/library/busybox:latest"},
      {"docker.io/busybox", "registry-1.docker.io/library/busybox:latest"},
      {"index.docker.io/library/busybox:1", "registry-1.docker.io/library/busybox:1"},
      {"registry-1.docker.io/busybox", "registry-1.docker.io/library/busybox:latest"},
      {"Docker.IO/busybox", "registry-1.docker.io/library/busybox:latest"},
      {"team/web", "registry-1.docker.io/team/web:latest"},
      {"localhost/web", "localhost/web:latest"},
      {"localhost:5000/web", "localhost:5000/web:latest"},
      {"quay.io/team/web:v1.2_3-x", "quay.io/team/web:v1.2_3-x"},
      {"Registry.Example:443/Web", "refused: E_REFERENCE"},
      {"Registry.Example:443/web", "registry.example/web:latest"},
      {"web@sha256:" + kHex, "registry-1.docker.io/library/web@sha256:" + kHex},
      {"a.b/c:t@sha256:" + kHex, "a.b/c:t@sha256:" + kHex},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(canonical(text), expected) << text;
}

TEST(OciReference, F14_WhatIsNoReferenceIsRefused) {
  for (const char* text :
       {"",          "/",          "a/",          "/a",      "a//b",         "UPPER",
        "a.b/Upper", "a.b/../c",   "a.b/c%2fd",   "a:",      "a:..",         "a:-x",
        "a.b:0/c",   "a.b:0443/c", "a.b:65536/c", "a.b:/c",  "-a.b/c",       "a..b/c",
        "a.b/c___d", "a.b/c._d",   "a.b/_c",      "a.b/c-",  "[::1]:5000/a", "a b",
        "a.b/c\n",   "user@a.b/c", "a:b:c",       "a.b/c~d", "http://a.b/c"}) {
    EXPECT_FALSE(parseRegistryImage(text)) << text;
  }
  EXPECT_FALSE(parseRegistryImage("a.b/" + std::string(300, 'a')));
  EXPECT_FALSE(parseRegistryImage("a:" + std::string(129, 'a')));
  EXPECT_EQ(canonical("a@sha512:" + kHex + kHex), "refused: E_DIGEST");
  EXPECT_EQ(canonical("a@sha256:" + std::string(64, 'A')), "refused: E_DIGEST");
  EXPECT_THAT(parseRegistryImage("UPPER").error().text(),
              HasSubstr("invalid docker URL \"docker://UPPER\"; expected syntax is "
                        "\"docker://[REGISTRY_HOST[:REGISTRY_PORT]/]IMAGE_NAME[:TAG]\""));
}

TEST(OciReference, EveryRepositoryHasANameOfItsOwn) {
  const std::map<std::string, std::string> rows = {
      {"host.example:5000/a__b--c", "host.example~5000/a~u2~b~d2~c"},
      {"busybox", "registry-1.docker.io/library/busybox"},
      {"a.b/c_d/e-f.g", "a.b/c_d/e-f.g"},
      {"xn--bcher-kva.example/a", "xn~d2~bcher-kva.example/a"},
      {"a--5.b:77/c---d", "a~d2~5.b~77/c~d3~d"},
  };
  std::set<std::string> names;
  for (const auto& [text, expected] : rows) {
    const Repository place = parseRegistryImage(text).value().repository;
    const ImageName name = imageNameOf(place).value();
    EXPECT_EQ(name.text(), expected);
    EXPECT_EQ(repositoryOf(name), place) << text;
    EXPECT_TRUE(names.insert(name.text()).second);
  }
}

TEST(OciReference, ANameThatNoRepositoryHasLeadsNowhere) {
  for (const char* text :
       {"example.com", "a.b/c~d", "a.b~x/c", "a.b~0/c", "a.b~443/c", "a.b~5~5/c", "a.b/c~u1~d",
        "a.b/c~u02~d", "a.b/c__d", "a.b/c~u3~d", "a.b/c~u2", "a.b/c~d999~d"}) {
    EXPECT_FALSE(repositoryOf(ImageName::parse(text).value())) << text;
  }
}

TEST(OciReference, LocalImagesAreAPathAndAReference) {
  const auto parse = [](std::string_view text) {
    return parseImageReference(text, [](std::string_view) { return false; });
  };
  using Kind = LocalOciImage::Kind;
  EXPECT_EQ(parse("oci:./layout:latest").value(),
            ImageReference(LocalOciImage{Kind::Layout, "./layout", "latest"}));
  EXPECT_EQ(parse("oci-archive:/tmp/web.tar").value(),
            ImageReference(LocalOciImage{Kind::OciArchive, "/tmp/web.tar", ""}));
  EXPECT_EQ(parse("docker-archive:web.tar:team/web:1.2").value(),
            ImageReference(LocalOciImage{Kind::DockerArchive, "web.tar", "team/web:1.2"}));
  EXPECT_FALSE(parse("oci:"));
  EXPECT_FALSE(parse("oci::latest"));
  for (const char* text : {"oci:a:b", "oci-archive:a", "docker-archive:a:b:c"}) {
    EXPECT_EQ(referenceText(std::get<LocalOciImage>(parse(text).value())), text);
  }
}

TEST(OciReference, RegistriesAreNamedInThreeWays) {
  const auto parse = [](std::string_view text) {
    return parseImageReference(text, [](std::string_view) { return false; });
  };
  const RegistryImage busybox = parseRegistryImage("busybox:1").value();
  for (const char* text : {"docker://busybox:1", "docker:busybox:1", "cimd:docker:v=0:busybox:1",
                           "docker://docker.io/library/busybox:1"}) {
    EXPECT_EQ(parse(text).value(), ImageReference(busybox)) << text;
  }
}

TEST(OciPrefix, IsTheImageNameOfWhatTheUserWrites) {
  const auto nameOf = [](std::string_view text) {
    const auto name = imageNameOfPrefix(text);
    return name ? name->text() : name.error().code();
  };
  EXPECT_EQ(nameOf("registry.example:5000/team"), "registry.example~5000/team");
  EXPECT_EQ(nameOf("registry.example:5000"), "registry.example~5000");
  EXPECT_EQ(nameOf("Registry.Example:443/team"), "registry.example/team");
  EXPECT_EQ(nameOf("registry.example/a__b"), "registry.example/a~u2~b");
  EXPECT_EQ(nameOf("docker.io"), "registry-1.docker.io");
  EXPECT_EQ(nameOf("docker.io/library/busybox"), "registry-1.docker.io/library/busybox");
  EXPECT_EQ(nameOf("example.com/app"), "example.com/app");
  EXPECT_EQ(nameOf("registry.example~5000/team"), "registry.example~5000/team");
  EXPECT_EQ(nameOf("app"), "app");
  for (const char* bad : {"", "/", "a/", "registry.example:x/team", "registry.example:5000/team:1",
                          "registry.example:5000/", "registry.example/../x", "a b"})
    EXPECT_EQ(nameOf(bad), "E_NAME") << bad;
}

}  // namespace
}  // namespace airlock::image
