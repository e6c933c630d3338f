// SPDX-License-Identifier: Apache-2.0
#include "image/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace airlock::image {
namespace {

using testing::HasSubstr;

std::string withFields(const std::string& fields) {
  return R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/app")" +
         (fields.empty() ? "" : "," + fields) + "}";
}
std::string withApp(const std::string& fields) {
  return withFields(R"("app":{"exec":["/a"],"user":"0","group":"0")" +
                    (fields.empty() ? "" : "," + fields) + "}");
}
std::string refusal(const std::string& json) {
  const auto manifest = parseImageManifest(json);
  return manifest ? "accepted" : manifest.error().text();
}

// What `image cat-manifest` prints.
constexpr std::string_view kBusybox = R"({
	"acKind": "ImageManifest",
	"acVersion": "0.8.11",
	"name": "example.com/busybox",
	"labels": [
		{
			"name": "version",
			"value": "1.35.0"
		},
		{
			"name": "os",
			"value": "linux"
		},
		{
			"name": "arch",
			"value": "amd64"
		}
	],
	"app": {
		"exec": [
			"/bin/true"
		],
		"user": "0",
		"group": "0"
	}
})";

constexpr std::string_view kEverything =
    R"({"acKind":"ImageManifest","acVersion":"0.8.11",)"
    R"("name":"example.com/app","labels":[{"name":"version","value":"1.0"},{"name":"os","value":"linux"}],)"
    R"("app":{"exec":["bin/app","-x"],"eventHandlers":[{"name":"pre-start","exec":["/x"]},)"
    R"({"name":"post-stop","exec":["/y"]}],"user":"/etc/passwd","group":"root","supplementaryGIDs":[400,500],)"
    R"("workingDirectory":"/work","environment":[{"name":"K","value":"V=1\n"}],)"
    R"("mountPoints":[{"name":"work","path":"/var/lib/work","readOnly":true},{"name":"b","path":"/b"}],)"
    R"("ports":[{"name":"http","protocol":"tcp","port":80,"count":1,"socketActivated":false}],)"
    R"("isolators":[{"name":"resource/memory","value":{"request":"1M","limit":"16M"}},)"
    R"({"name":"example.com/odd","value":[1,2.5,{"z":null,"a":true}]}],)"
    R"("userAnnotations":{"a":"b"},"userLabels":{"c":"d"}},)"
    R"("annotations":[{"name":"created","value":"2015-01-01T00:00:00Z"},)"
    R"({"name":"homepage","value":"https://example.com"}],)"
    R"("dependencies":[{"imageName":"example.com/base","imageID":"sha512-aabb",)"
    R"("labels":[{"name":"os","value":"linux"}],"size":22017258},{"imageName":"example.com/other"}],)"
    R"("pathWhitelist":["/etc/app.conf","/bin/app"]})";

TEST(ImageManifest, IsPrintedAsRktPrintsIt) {
  const auto manifest = parseImageManifest(kBusybox);
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(manifest->name.text(), "example.com/busybox");
  EXPECT_EQ(manifest->app->exec, std::vector<std::string>{"/bin/true"});
  EXPECT_EQ(toJson(*manifest, JsonStyle::Pretty), kBusybox);
}

TEST(ImageManifest, EveryFieldSurvivesReadingAndWriting) {
  const auto manifest = parseImageManifest(kEverything);
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(toJson(*manifest, JsonStyle::Compact), kEverything);
  EXPECT_EQ(parseImageManifest(toJson(*manifest, JsonStyle::Pretty)).value(), *manifest);
  EXPECT_EQ(manifest->app->supplementaryGids, (std::vector<std::uint32_t>{400, 500}));
  EXPECT_EQ(manifest->app->environment.at(0).value, "V=1\n");
  EXPECT_TRUE(manifest->app->mountPoints.at(0).readOnly);
  EXPECT_TRUE(manifest->app->isolators.at(0).known);
  EXPECT_FALSE(manifest->app->isolators.at(1).known);
  EXPECT_EQ(manifest->dependencies.at(0).size, 22017258U);
  EXPECT_EQ(annotationValue(manifest->annotations, "homepage"), "https://example.com");
}

TEST(ImageManifest, NullAndAbsentAreTheSame) {
  const auto manifest = parseImageManifest(withFields(
      R"("labels":null,"app":{"exec":null,"user":"0","group":"0","ports":null},"pathWhitelist":null)"));
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_TRUE(manifest->labels.empty());
  EXPECT_TRUE(manifest->app->exec.empty());
  EXPECT_EQ(parseImageManifest(toJson(*manifest, JsonStyle::Compact)).value(), *manifest);
}

TEST(ImageManifest, FieldsOfTheFutureAreIgnored) {
  EXPECT_TRUE(parseImageManifest(withFields(R"("new":{"a":[1,2.5]},"name2":3)")));
  EXPECT_TRUE(parseImageManifest(withApp(R"("new":1)")));
}

TEST(ImageManifest, DefaultsAreFilledIn) {
  const auto manifest =
      parseImageManifest(withApp(R"("ports":[{"name":"a","protocol":"udp","port":53,"count":0}])"));
  ASSERT_TRUE(manifest) << manifest.error().text();
  EXPECT_EQ(manifest->app->ports.at(0).count, 1);
  EXPECT_THAT(toJson(*manifest, JsonStyle::Compact),
              HasSubstr(R"("count":1,"socketActivated":false)"));
}

TEST(ImageManifest, HeadersAreChecked) {
  const char* kind = "missing or bad ACKind (must be \"ImageManifest\")";
  EXPECT_EQ(refusal("{}"), kind);
  EXPECT_EQ(refusal(R"({"acKind":"PodManifest","acVersion":"0.8.11","name":"a"})"), kind);
  EXPECT_EQ(refusal(R"({"acKind":"ImageManifest","name":"a"})"), "acVersion must be set");
  EXPECT_EQ(refusal(R"({"acKind":"ImageManifest","acVersion":"1.2","name":"a"})"),
            "1.2 is not in dotted-tri format");
  EXPECT_THAT(refusal(R"({"acKind":"ImageManifest","acVersion":"0.8.11"})"),
              HasSubstr("ACIdentifier cannot be empty"));
  EXPECT_THAT(refusal("[]"), HasSubstr("must be an object"));
}

TEST(ImageManifest, BrokenRulesAreNamed) {
  const std::vector<std::pair<std::string, const char*>> rows = {
      {withFields(R"("labels":[{"name":"name","value":"x"}])"), "invalid label name"},
      {withFields(R"("labels":[{"name":"a","value":"x"},{"name":"a","value":"y"}])"),
       "duplicate labels"},
      {withFields(R"("labels":[{"name":"os","value":"beos"}])"), "bad os \"beos\""},
      {withFields(R"("labels":{"os":"linux"})"), "labels: must be an array"},
      {withFields(R"("labels":[{"name":"a","value":1}])"), "labels[0].value: must be a string"},
      {withFields(R"("annotations":[{"name":"created","value":"today"}])"), "RFC 3339"},
      {withFields(R"("annotations":[{"name":"homepage","value":"ftp://x"}])"), "bad scheme"},
      {withFields(R"("annotations":[{"name":"a","value":""},{"name":"a","value":""}])"),
       "duplicate annotations"},
      {withFields(R"("dependencies":[{}])"), "imageName cannot be empty"},
      {withFields(R"("dependencies":[{"imageName":"a","imageID":"x"}])"),
       "badly formatted hash string"},
      {withFields(R"("dependencies":[{"imageName":"a","size":-1}])"), "not in the range"},
      {withFields(R"("dependencies":[{"imageName":"a","size":0.5}])"), "whole number"},
      {withFields(R"("app":{"exec":[],"group":"0"})"), "app: user is required"},
      {withFields(R"("app":{"exec":[],"user":"0"})"), "app: group is required"},
      {withFields(R"("app":{"exec":"/a","user":"0","group":"0"})"), "app.exec: must be an array"},
      {withApp(R"("workingDirectory":"tmp")"), "workingDirectory must be an absolute path"},
      {withApp(R"("eventHandlers":[{"name":"x","exec":["/x"]}])"), "bad eventHandler name"},
      {withApp(
           R"("eventHandlers":[{"name":"pre-start","exec":["/x"]},{"name":"pre-start","exec":["/x"]}])"),
       "Only one eventHandler of name \"pre-start\" allowed"},
      {withApp(R"("environment":[{"name":"A","value":""},{"name":"A","value":""}])"),
       "duplicate environment"},
      {withApp(R"("environment":[{"name":"A=B","value":""}])"), "environment variable name"},
      {withApp(R"("environment":[{"name":"A","value":"x\u0000y"}])"), "NUL"},
      {withApp(R"("mountPoints":[{"name":"a","path":""}])"), "path must be set"},
      {withApp(R"("mountPoints":[{"name":"A","path":"/a"}])"), "ACName must contain only"},
      {withApp(R"("ports":[{"name":"a","protocol":"tcp","port":0}])"),
       "port must be in 1-65535 range"},
      {withApp(R"("ports":[{"name":"a","protocol":"tcp","port":65536}])"), "not in the range"},
      {withApp(R"("ports":[{"name":"a","protocol":"tcp","port":65535,"count":2}])"),
       "end of port range"},
      {withApp(R"("supplementaryGIDs":[-1])"), "is not a group id"},
      {withApp(R"("supplementaryGIDs":[4294967295])"), "is not a group id"},
      {withApp(R"("isolators":[{"name":"resource/memory","value":{"limit":"x"}}])"),
       "quantities must match"},
      {withApp(R"("isolators":[{"name":"os/linux/cpu-shares"}])"), "whole number"},
  };
  for (const auto& [json, why] : rows) EXPECT_THAT(refusal(json), HasSubstr(why)) << json;
  EXPECT_TRUE(parseImageManifest(
      withApp(R"("ports":[{"name":"a","protocol":"tcp","port":65535,"count":1}])")));
}

TEST(ImageManifest, J06_ListsAreLimited) {
  std::string exec = R"("app":{"user":"0","group":"0","exec":["a")";
  for (int i = 0; i < 2000; ++i) exec += R"(,"a")";
  EXPECT_THAT(refusal(withFields(exec + "]}")), HasSubstr("more than the limit"));
}

TEST(ImageManifest, J10_NamesThatLookLikeOptionsAreRefused) {
  EXPECT_THAT(refusal(R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"--help"})"),
              HasSubstr("must start and end"));
  EXPECT_THAT(refusal(withApp(R"("ports":[{"name":"-c","protocol":"tcp","port":1}])")),
              HasSubstr("must start and end"));
}

TEST(ImageManifest, AppsFromFlagsPassTheSameChecks) {
  App app = parseImageManifest(kEverything)->app.value();
  EXPECT_TRUE(checkApp(app));
  app.environment.push_back({"A=B", ""});
  EXPECT_FALSE(checkApp(app));
}

TEST(ImageManifest, S20_AnswersOnlyForItsOwnNameAndLabels) {
  const ImageManifest manifest = parseImageManifest(kBusybox).value();
  const ImageName name = ImageName::parse("example.com/busybox").value();
  const ImageName other = ImageName::parse("example.com/bad").value();
  EXPECT_TRUE(checkAnswers(manifest, name, {}));
  EXPECT_TRUE(checkAnswers(manifest, name, {{"version", "1.35.0"}, {"arch", "amd64"}}));
  const auto renamed = checkAnswers(manifest, other, {});
  EXPECT_EQ(renamed.error().code(), "E_NAME");
  EXPECT_EQ(renamed.error().message(),
            "error when reading the app name: \"example.com/bad\" expected but "
            "\"example.com/busybox\" found");
  EXPECT_EQ(checkAnswers(manifest, name, {{"version", "2"}}).error().message(),
            "requested value for label \"version\": \"2\" differs from fetched aci label value: "
            "\"1.35.0\"");
  EXPECT_EQ(checkAnswers(manifest, name, {{"channel", "x"}}).error().message(),
            "requested label \"channel\" not provided by the image manifest");
  EXPECT_TRUE(answers(manifest, name, {{"version", "1.35.0"}}));
  EXPECT_FALSE(answers(manifest, name, {{"version", "1.35"}}));
  EXPECT_FALSE(answers(manifest, other, {}));
}

// Cuts and changes of one byte: never a crash, and what is accepted keeps its value when written
// and read again.
TEST(ImageManifest, DamagedTextIsRefusedOrKeepsItsValue) {
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < kEverything.size(); ++i) {
    EXPECT_FALSE(parseImageManifest(kEverything.substr(0, i)));
    for (const char byte : {'0', '"', '}', '\\', ' ', '\xff'}) {
      std::string damaged(kEverything);
      damaged[i] = byte;
      const auto manifest = parseImageManifest(damaged);
      if (!manifest) continue;
      ++accepted;
      const auto again = parseImageManifest(toJson(*manifest, JsonStyle::Pretty));
      ASSERT_TRUE(again) << damaged << "\n" << again.error().text();
      ASSERT_EQ(*again, *manifest) << damaged;
    }
  }
  EXPECT_GT(accepted, 100U);
}

}  // namespace
}  // namespace airlock::image
