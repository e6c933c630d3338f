// SPDX-License-Identifier: Apache-2.0
#include "image/oci_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "image/oci_config.h"

namespace airlock::image {
namespace {

using ::testing::HasSubstr;

std::string digest(char digit) { return "sha256:" + std::string(64, digit); }
std::string descriptor(std::string_view type, char digit, const std::string& more = "") {
  return R"({"mediaType":")" + std::string(type) + R"(","digest":")" + digest(digit) +
         R"(","size":7)" + more + "}";
}
std::string manifest(std::string_view type, std::string_view configType,
                     const std::string& layers) {
  return R"({"schemaVersion":2,"mediaType":")" + std::string(type) + R"(","config":)" +
         descriptor(configType, 'c') + R"(,"layers":[)" + layers + "]}";
}
std::string index(const std::string& manifests) {
  return R"({"schemaVersion":2,"mediaType":")" + std::string(kOciIndexType) + R"(","manifests":[)" +
         manifests + "]}";
}
std::string forPlatform(char digit, const std::string& platform) {
  return descriptor(kOciManifestType, digit, R"(,"platform":{)" + platform + "}");
}
std::string codeOf(std::string_view text, std::string_view type = "") {
  const auto document = parseOciDocument(text, type);
  return document ? "" : document.error().code();
}
std::string imageCode(const std::string& layerType) {
  const auto document =
      parseOciDocument(manifest(kOciManifestType, kOciConfigType, descriptor(layerType, 'a')), "");
  const Result<void> is = requireImage(std::get<OciManifest>(document.value()));
  return is ? "" : is.error().code() + " " + is.error().message();
}

TEST(OciManifest, BothFormatsAreRead) {
  for (const auto& [type, config] : {std::pair(kOciManifestType, kOciConfigType),
                                     std::pair(kDockerManifestType, kDockerConfigType)}) {
    const auto document =
        parseOciDocument(manifest(type, config, descriptor(kDockerGzipLayerType, 'a')), type);
    ASSERT_TRUE(document) << document.error().text();
    const auto& read = std::get<OciManifest>(*document);
    EXPECT_EQ(read.mediaType, type);
    EXPECT_EQ(ociText(read.config.digest), digest('c'));
    ASSERT_EQ(read.layers.size(), 1U);
    EXPECT_EQ(read.layers[0].size, 7U);
    EXPECT_TRUE(requireImage(read));
  }
}

TEST(OciManifest, ADocumentIsOneThingOnly) {
  const std::string both = R"({"schemaVersion":2,"manifests":[],"layers":[],"config":)" +
                           descriptor(kOciConfigType, 'c') + "}";
  EXPECT_EQ(codeOf(both), "E_MEDIA_TYPE");
  EXPECT_EQ(codeOf(both, kOciIndexType), "E_MEDIA_TYPE");
  EXPECT_EQ(codeOf(index(""), kOciManifestType), "E_MEDIA_TYPE");
  EXPECT_EQ(codeOf(manifest(kOciManifestType, kOciConfigType, ""), kDockerListType),
            "E_MEDIA_TYPE");
  EXPECT_EQ(codeOf(index(""), std::string(kOciIndexType) + "; charset=utf-8"), "");
}

TEST(OciManifest, OtherTypesAreRefusedByName) {
  EXPECT_EQ(codeOf(R"({"schemaVersion":1,"name":"a","tag":"b"})"), "E_MEDIA_TYPE");
  EXPECT_THAT(parseOciDocument("{}", "application/vnd.docker.distribution.manifest.v1+prettyjws")
                  .error()
                  .text(),
              HasSubstr("schema 1"));
  EXPECT_EQ(codeOf(R"({"schemaVersion":2,"mediaType":"text/html"})"), "E_MEDIA_TYPE");
  EXPECT_THAT(imageCode("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
              HasSubstr("foreign"));
  EXPECT_THAT(imageCode("application/vnd.oci.image.layer.nondistributable.v1.tar"),
              HasSubstr("not to be had from a registry"));
  EXPECT_THAT(imageCode("application/x-lzma"), HasSubstr("not known here"));
  EXPECT_EQ(imageCode("application/vnd.oci.image.layer.v1.tar+zstd"), "");
}

TEST(OciManifest, F17_WhatIsMissingOrTooMuchIsRefused) {
  EXPECT_EQ(codeOf("[]"), "E_MANIFEST");
  EXPECT_EQ(codeOf(R"({"schemaVersion":2})"), "E_MANIFEST");
  EXPECT_EQ(codeOf(R"({"schemaVersion":2,"config":{}})"), "E_MANIFEST");
  std::string many = descriptor(kDockerGzipLayerType, 'a');
  for (int i = 1; i < 128; ++i) many += "," + descriptor(kDockerGzipLayerType, 'a');
  EXPECT_EQ(codeOf(manifest(kOciManifestType, kOciConfigType, many)), "E_MANIFEST");
  const std::string negative = R"({"mediaType":"a","digest":")" + digest('a') + R"(","size":-1})";
  EXPECT_EQ(codeOf(manifest(kOciManifestType, kOciConfigType, negative)), "E_MANIFEST");
  const std::string other = R"({"mediaType":"a","digest":"sha512:aa","size":1})";
  EXPECT_EQ(codeOf(manifest(kOciManifestType, kOciConfigType, other)), "E_DIGEST");
}

std::string chosen(const std::string& manifests, const OciPlatform& machine) {
  const auto document = parseOciDocument(index(manifests), "");
  const auto found = chooseManifest(std::get<OciIndex>(document.value()), machine);
  return found ? found->digest.hex().substr(0, 1) : found.error().code();
}

TEST(OciManifest, AMachineTakesTheNewestVariantThatItRuns) {
  const std::string arm =
      forPlatform('5', R"("os":"linux","architecture":"arm","variant":"v5")") + "," +
      forPlatform('7', R"("os":"linux","architecture":"arm","variant":"v7")") + "," +
      forPlatform('8', R"("os":"linux","architecture":"arm64")") + "," +
      forPlatform('3', R"("os":"linux","architecture":"amd64","variant":"v3")") + "," +
      forPlatform('1', R"("os":"linux","architecture":"amd64")") + "," +
      forPlatform('f', R"("os":"unknown","architecture":"unknown")");
  EXPECT_EQ(chosen(arm, {"linux", "arm", "v7"}), "7");
  EXPECT_EQ(chosen(arm, {"linux", "arm", ""}), "7");
  EXPECT_EQ(chosen(arm, {"linux", "arm", "v6"}), "5");
  EXPECT_EQ(chosen(arm, {"linux", "arm64", "v8"}), "8");
  EXPECT_EQ(chosen(arm, {"linux", "amd64", ""}), "1");
  EXPECT_EQ(chosen(arm, {"linux", "amd64", "v4"}), "3");
  EXPECT_EQ(chosen(arm, {"linux", "s390x", ""}), "E_PLATFORM");
  EXPECT_EQ(chosen(arm, {"windows", "amd64", ""}), "E_PLATFORM");
}

TEST(OciManifest, AnIndexLeadsToAManifestAndNoFurther) {
  EXPECT_EQ(chosen(descriptor(kOciManifestType, 'a'), hostPlatform()), "a");
  EXPECT_EQ(chosen(descriptor(kOciIndexType, 'a'), hostPlatform()), "E_MEDIA_TYPE");
  EXPECT_EQ(chosen(descriptor(kOciManifestType, 'a') + "," + descriptor(kOciManifestType, 'b'),
                   hostPlatform()),
            "E_PLATFORM");
  EXPECT_EQ(chosen("", hostPlatform()), "E_PLATFORM");
}

TEST(OciManifest, AConfigSaysForWhichMachineAndHowManyLayers) {
  const std::string config = R"({"os":"linux","architecture":"arm","variant":"v6","rootfs":
                                 {"type":"layers","diff_ids":["sha256:a"]}})";
  EXPECT_EQ(readOciConfig(config, 1).value(), (OciPlatform{"linux", "arm", "v6"}));
  EXPECT_FALSE(readOciConfig(config, 2));
  EXPECT_FALSE(readOciConfig("{}", 0));
  EXPECT_TRUE(requirePlatform({"linux", "arm", "v7"}, {"linux", "arm", "v6"}));
  EXPECT_FALSE(requirePlatform({"linux", "amd64", ""}, {"linux", "arm", "v6"}));
}

TEST(OciManifest, PlatformsBecomeLabels) {
  using Labels = std::vector<Label>;
  EXPECT_EQ(platformLabels({"linux", "arm64", "v8"}).value(),
            (Labels{{"os", "linux"}, {"arch", "aarch64"}}));
  EXPECT_EQ(platformLabels({"linux", "arm", "v6"}).value(),
            (Labels{{"os", "linux"}, {"arch", "armv6l"}}));
  EXPECT_EQ(platformLabels({"linux", "amd64", "v3"}).value(),
            (Labels{{"os", "linux"}, {"arch", "amd64"}, {"variant", "v3"}}));
  EXPECT_EQ(platformLabels({"linux", "riscv64", ""}).error().code(), "E_PLATFORM");
  EXPECT_EQ(platformLabels(hostPlatform()).value().size(), 2U);
}

TEST(OciConfig, SignalsAreNamedAsDockerNamesThem) {
  EXPECT_EQ(signalNumber("SIGQUIT").value(), SIGQUIT);
  EXPECT_EQ(signalNumber("QUIT").value(), SIGQUIT);
  EXPECT_EQ(signalNumber("9").value(), SIGKILL);
  EXPECT_EQ(signalNumber("SIGRTMIN+3").value(), SIGRTMIN + 3);
  EXPECT_EQ(signalNumber("RTMAX-1").value(), SIGRTMAX - 1);
  EXPECT_EQ(signalNumber("SIGRTMIN").value(), SIGRTMIN);
  for (const char* text : {"", "SIG", "0", "65", "-3", "quit", "SIGQUIT ", "3x", "RTMIN+99",
                           "RTMAX-99", "RTMIN-1", "SIGSIGQUIT"})
    EXPECT_EQ(signalNumber(text).error().code(), "E_SIGNAL") << text;
}

}  // namespace
}  // namespace airlock::image
