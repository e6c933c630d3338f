// SPDX-License-Identifier: Apache-2.0
#include "image/pod_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace airlock::image {
namespace {

using testing::HasSubstr;

std::string pod(const std::string& fields) {
  return R"({"acVersion":"1.30.0+git171c416f","acKind":"PodManifest")" +
         (fields.empty() ? "" : "," + fields) + "}";
}
std::string refusal(const std::string& json) {
  const auto manifest = parsePodManifest(json);
  return manifest ? "accepted" : manifest.error().text();
}

constexpr std::string_view kPrinted = R"({
	"acVersion": "1.30.0+git171c416f",
	"acKind": "PodManifest",
	"apps": [
		{
			"name": "busybox",
			"image": {
				"name": "example.com/busybox",
				"id": "sha512-2a9f8349407986057c45e555592a5bdfa5562d8b78be90ecccf4ac106b3a55e0",
				"labels": [
					{
						"name": "version",
						"value": "1.35.0"
					}
				]
			},
			"app": {
				"exec": [
					"/bin/sh",
					"-c",
					"exit 7"
				],
				"user": "0",
				"group": "0"
			}
		}
	],
	"volumes": [],
	"isolators": [],
	"annotations": [
		{
			"name": "coreos.com/rkt/stage1/mutable",
			"value": "false"
		}
	],
	"ports": []
})";

constexpr std::string_view kEverything =
    R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[{"name":"redis","image":{"id":"sha512-aabb"},)"
    R"("readOnlyRootFS":true,"mounts":[{"volume":"work","path":"/w"},{"volume":"own","path":"/o",)"
    R"("appVolume":{"name":"own","kind":"empty","mode":"0700","uid":5,"gid":6}}],)"
    R"("annotations":[{"name":"a","value":"b"}]},{"name":"two","image":{"name":"a","id":"sha512-cc"}}],)"
    R"("volumes":[{"name":"work","kind":"host","source":"/opt/work","readOnly":true,"recursive":false},)"
    R"({"name":"buf","kind":"empty","readOnly":false,"mode":"1755","uid":0,"gid":0}],)"
    R"("isolators":[{"name":"resource/memory","value":{"limit":"1G"}}],"annotations":[],)"
    R"("ports":[{"name":"ftp","hostPort":2121,"hostIP":"10.0.0.1","podPort":{"name":"ftp","protocol":"tcp",)"
    R"("port":21,"count":1,"socketActivated":false}},{"name":"six","hostPort":80,"hostIP":"::1"}],)"
    R"("userAnnotations":{"u":"v"},"userLabels":{"w":"x"}})";

TEST(PodManifest, IsPrintedAsRktPrintsIt) {
  std::string withNull(kPrinted);
  withNull.replace(withNull.find("\"volumes\": []"), 13, "\"volumes\": null");
  const auto manifest = parsePodManifest(withNull);
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(toJson(*manifest, JsonStyle::Pretty), kPrinted);
}

TEST(PodManifest, EveryFieldSurvivesReadingAndWriting) {
  const auto manifest = parsePodManifest(kEverything);
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(toJson(*manifest, JsonStyle::Compact), kEverything);
  EXPECT_EQ(parsePodManifest(toJson(*manifest, JsonStyle::Pretty)).value(), *manifest);
  EXPECT_EQ(manifest->volumes.at(1).mode, 01755U);
  EXPECT_EQ(manifest->apps.at(0).mounts.at(1).appVolume->uid, 5U);
}

TEST(PodManifest, EmptyVolumesHaveDefaults) {
  const auto manifest = parsePodManifest(pod(R"("volumes":[{"name":"a","kind":"empty"}])"));
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(manifest->volumes.at(0).mode, 0755U);
  EXPECT_EQ(manifest->volumes.at(0).uid, 0U);
  EXPECT_EQ(manifest->volumes.at(0).readOnly, std::nullopt);
}

TEST(PodManifest, OnlySandboxesMayBeEmpty) {
  const auto manifest = parsePodManifest(pod(R"("apps":null)"));
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(requireApps(*manifest).error().message(), "pod must contain at least one application");
}

TEST(PodManifest, BrokenRulesAreNamed) {
  const std::string app = R"({"name":"a","image":{"id":"sha512-aa"}})";
  const std::vector<std::pair<std::string, const char*>> rows = {
      {R"({"acVersion":"0.8.11","acKind":"ImageManifest"})",
       "missing or bad ACKind (must be \"PodManifest\")"},
      {R"({"acKind":"PodManifest"})", "acVersion must be set"},
      {pod(R"("apps":[)" + app + "," + app + "]"), "duplicate apps of name \"a\""},
      {pod(R"("apps":[{"name":"a"}])"), "image must be set"},
      {pod(R"("apps":[{"name":"a","image":{}}])"), "badly formatted hash string"},
      {pod(R"("apps":[{"name":"a","image":{"id":"sha512-../../x"}}])"),
       "badly formatted hash string"},
      {pod(R"("apps":[{"name":"--help","image":{"id":"sha512-aa"}}])"), "must start and end"},
      {pod(R"("apps":[{"name":"a","image":{"id":"sha512-aa"},"app":{"exec":[],"user":"0"}}])"),
       "group is required"},
      {pod(R"("apps":[{"name":"a","image":{"id":"sha512-aa"},"mounts":[{"volume":"v"}]}])"),
       "path must be set"},
      {pod(R"("volumes":[{"name":"a","kind":"empty"},{"name":"a","kind":"empty"}])"),
       "duplicate volume name \"a\""},
      {pod(R"("volumes":[{"name":"a","kind":"nfs"}])"),
       "unrecognized volume kind: should be one of \"empty\", \"host\""},
      {pod(R"("volumes":[{"name":"a"}])"), "unrecognized volume kind"},
      {pod(R"("volumes":[{"name":"a","kind":"host"}])"), "cannot be empty"},
      {pod(R"("volumes":[{"name":"a","kind":"host","source":"x"}])"), "must be absolute path"},
      {pod(R"("volumes":[{"name":"a","kind":"host","source":"/x","uid":0}])"),
       "are for empty volumes"},
      {pod(R"("volumes":[{"name":"a","kind":"empty","source":"/x"}])"), "must be empty"},
      {pod(R"("volumes":[{"name":"a","kind":"empty","mode":"0789"}])"), "octal"},
      {pod(R"("volumes":[{"name":"a","kind":"empty","mode":"17777"}])"), "octal"},
      {pod(R"("volumes":[{"name":"a","kind":"empty","uid":-1}])"), "not in the range"},
      {pod(R"("ports":[{"name":"a","hostPort":0}])"), "hostPort must be in 1-65535 range"},
      {pod(R"("ports":[{"name":"a","hostPort":1,"hostIP":"localhost"}])"), "is not an address"},
      {pod(R"("isolators":[{"name":"os/linux/oom-score-adj","value":5000}])"), "not in the range"},
  };
  for (const auto& [json, why] : rows) EXPECT_THAT(refusal(json), HasSubstr(why)) << json;
  std::string many = R"("apps":[)";
  for (int i = 0; i < 17; ++i) {
    many += (i != 0 ? "," : "") + std::string(R"({"name":"a)") + std::to_string(i) +
            R"(","image":{"id":"sha512-aa"}})";
  }
  EXPECT_THAT(refusal(pod(many + "]")), HasSubstr("more than the limit"));
}

TEST(PodManifest, DamagedTextIsRefusedOrKeepsItsValue) {
  for (std::size_t i = 0; i < kEverything.size(); ++i) {
    for (const char byte : {'0', '"', '}', '\\', ' '}) {
      std::string damaged(kEverything);
      damaged[i] = byte;
      const auto manifest = parsePodManifest(damaged);
      if (!manifest) continue;
      const auto again = parsePodManifest(toJson(*manifest, JsonStyle::Compact));
      ASSERT_TRUE(again) << damaged << "\n" << again.error().text();
      ASSERT_EQ(*again, *manifest) << damaged;
    }
  }
}

}  // namespace
}  // namespace airlock::image
