// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "base/limits.h"
#include "unpriv-fetch/fetch_test.h"

namespace airlock::fetch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string scenario(const std::string& name) { return "https://example.com/s/" + name + "/x.aci"; }

TEST_F(Fetch, AnImageComesByUrlWithItsSignature) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.wantSignature = true;
  const Outcome outcome = fetch(job);
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_TRUE(outcome.status.clean());
  EXPECT_EQ(outcome.output, imageBytes());
  EXPECT_EQ(outcome.signature, "signature of ok");
  EXPECT_EQ(outcome.image()->url, scenario("ok"));
  EXPECT_EQ(outcome.image()->tag, "\"version-1\"");
  EXPECT_EQ(outcome.image()->maxAge, 60);
  EXPECT_EQ(outcome.image()->bytes, imageBytes().size());
  EXPECT_TRUE(outcome.image()->hasSignature);
  EXPECT_EQ(outcome.found()->signatureUrl, scenario("ok") + ".asc");
  EXPECT_THAT(outcome.notes(),
              ElementsAre("remote fetching from URL \"" + scenario("ok") + "\"",
                          "downloading signature from " + scenario("ok") + ".asc"));
  EXPECT_EQ(outcome.progress().back().done, imageBytes().size());
  EXPECT_EQ(outcome.progress().front().label, "Downloading signature");
  EXPECT_THAT(requests().back(), HasSubstr("\"user-agent\": \"airlock/"));
}

TEST_F(Fetch, TheSignatureUrlOfTheJobWins) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.wantSignature = true;
  job.signatureUrl = "https://example.com/s/elsewhere/y.asc";
  EXPECT_EQ(fetch(job).signature, "signature of elsewhere");
}

TEST_F(Fetch, AMissingSignatureStopsBeforeTheImage) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.wantSignature = true;
  job.signatureUrl = "https://example.com/nothing.asc";
  const Outcome outcome = fetch(job);
  EXPECT_EQ(outcome.code(), "E_HTTP");
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(requests().size(), 1U);
}

TEST_F(Fetch, ADeferredSignatureComesAfterTheImage) {
  ipc::FetchImageJob job = imageJob(scenario("deferred"));
  job.wantSignature = true;
  const Outcome outcome = fetch(job);
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_EQ(outcome.signature, "signature at last");
  EXPECT_THAT(outcome.notes(), Contains("server requested deferring the signature download"));
}

TEST_F(Fetch, ASignatureDeferredTwiceIsAnError) {
  ipc::FetchImageJob job = imageJob(scenario("always-deferred"));
  job.wantSignature = true;
  EXPECT_THAT(fetch(job).failure(), HasSubstr("server asked to defer the download again"));
}

TEST_F(Fetch, ANameIsDiscovered) {
  const Outcome outcome = fetch(nameJob("example.com/app", {{"version", "1.0"}}));
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_EQ(outcome.found()->url, "https://example.com/images/example.com/app-1.0-linux-amd64.aci");
  EXPECT_EQ(outcome.found()->signatureUrl,
            "https://example.com/images/example.com/app-1.0-linux-amd64.aci.asc");
  EXPECT_EQ(outcome.notes().front(), "searching for app image example.com/app");
  EXPECT_EQ(outcome.output, imageBytes());
}

TEST_F(Fetch, ANameWithoutAVersionMeansTheLatest) {
  EXPECT_EQ(fetch(nameJob("example.com/app")).found()->url,
            "https://example.com/images/example.com/app-latest-linux-amd64.aci");
}

TEST_F(Fetch, DiscoveryWalksUpThePath) {
  const Outcome outcome = fetch(nameJob("example.com/deep/er/app"));
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  const std::vector<std::string> lines = requests();
  ASSERT_GE(lines.size(), 3U);
  EXPECT_THAT(lines[0], HasSubstr("\"/deep/er/app?ac-discovery=1\""));
  EXPECT_THAT(lines[1], HasSubstr("\"/deep/er?ac-discovery=1\""));
  EXPECT_THAT(lines[2], HasSubstr("\"/deep?ac-discovery=1\""));
}

TEST_F(Fetch, S21_ATagForAnotherPrefixIsIgnored) {
  const Outcome outcome = fetch(nameJob("example.com/other"));
  EXPECT_EQ(outcome.code(), "E_DISCOVERY");
  EXPECT_THAT(outcome.failure(), HasSubstr("discovery failed for \"example.com/other\""));
}

TEST_F(Fetch, F13_TheFirstTagWins) {
  EXPECT_THAT(fetch(nameJob("example.com/conflict")).found()->url, HasSubstr("/images/"));
}

TEST_F(Fetch, AHostThatCannotBeReachedIsAskedOnce) {
  const Outcome outcome = fetch(nameJob("nowhere.example/a/b/c"));
  EXPECT_EQ(outcome.code(), "E_CONNECT");
  EXPECT_THAT(outcome.failure(), HasSubstr("discovery failed for \"nowhere.example/a/b/c\""));
}

TEST_F(Fetch, KeysComeInTheOrderOfThePage) {
  const Outcome outcome = fetch(keysJob("example.com/app"));
  ASSERT_TRUE(outcome.keys()) << outcome.failure();
  EXPECT_THAT(
      outcome.keys()->keys,
      ElementsAre(std::pair<std::string, std::uint64_t>("https://example.com/keys/one.gpg", 10),
                  std::pair<std::string, std::uint64_t>("https://example.com/keys/two.gpg", 11)));
  EXPECT_EQ(outcome.output, "first key\nsecond key\n");
}

TEST_F(Fetch, AKeyComesByUrl) {
  ipc::FetchKeysJob job = keysJob("");
  job.url = "https://example.com/keys/two.gpg";
  EXPECT_EQ(fetch(job).output, "second key\n");
}

TEST_F(Fetch, KeysThatCannotBeHadAreAnError) {
  EXPECT_EQ(fetch(keysJob("example.com/key-missing")).code(), "E_HTTP");
  EXPECT_EQ(fetch(keysJob("example.com/key-plain")).code(), "E_SCHEME");
  EXPECT_EQ(fetch(keysJob("example.com/key-large")).code(), "E_LIMIT");
  EXPECT_EQ(fetch(keysJob("example.com/key-many")).code(), "E_LIMIT");
  EXPECT_EQ(fetch(keysJob("example.com/none")).code(), "E_DISCOVERY");
}

TEST_F(Fetch, NamesAreAskedOfTheNameServer) {
  const Outcome outcome = fetch(imageJob("https://dns.example/s/ok/x.aci"));
  EXPECT_TRUE(outcome.image()) << outcome.failure();
}

TEST_F(Fetch, TheProxyOfTheJobIsUsed) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.options.proxy = "http://127.0.0.1:8448";
  const Outcome outcome = fetch(job);
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_EQ(outcome.output, imageBytes());
  EXPECT_THAT(requests().front(), HasSubstr("\"port\": \"proxy\""));
}

TEST_F(Fetch, TheProxyIsPassedByWhereTheJobSaysSo) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.options.proxy = "http://127.0.0.1:1";
  EXPECT_EQ(fetch(job).code(), "E_CONNECT");
  job.options.noProxy = "localhost,example.com";
  EXPECT_TRUE(fetch(job).image());
}

TEST_F(Fetch, ACurrentCopyIsNotFetchedAgain) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.knownUrl = job.url;
  job.cachedTag = "\"version-1\"";
  const Outcome outcome = fetch(job);
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_TRUE(outcome.image()->notModified);
  EXPECT_EQ(outcome.image()->maxAge, 30);
  EXPECT_EQ(outcome.output, "");
}

TEST_F(Fetch, ATagOfAnotherUrlIsNotUsed) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.knownUrl = scenario("other");
  job.cachedTag = "\"version-1\"";
  EXPECT_EQ(fetch(job).output, imageBytes());
}

TEST_F(Fetch, AnOldCopyIsFetchedAnew) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.knownUrl = job.url;
  job.cachedTag = "\"version-0\"";
  const Outcome outcome = fetch(job);
  EXPECT_EQ(outcome.output, imageBytes());
  EXPECT_FALSE(outcome.image()->notModified);
}

TEST_F(Fetch, NoStoreMeansNoAge) {
  EXPECT_EQ(fetch(imageJob(scenario("no-store"))).image()->maxAge, 0);
}

TEST_F(Fetch, AnImageWithoutALengthComesWhole) {
  const Outcome outcome = fetch(imageJob(scenario("chunked")));
  EXPECT_EQ(outcome.output, imageBytes());
  EXPECT_EQ(outcome.image()->tag, "Wed, 21 Oct 2015 07:28:00 GMT");
}

TEST_F(Fetch, ABrokenConnectionIsResumedAtOnce) {
  const Outcome outcome = fetch(imageJob(scenario("drop")));
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_EQ(outcome.output, imageBytes());
  const std::vector<std::string> lines = requests();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[1], HasSubstr("\"range\": \"bytes="));
  EXPECT_THAT(lines[1], HasSubstr("\"if-range\": \"\\\"version-1\\\"\""));
}

TEST_F(Fetch, WhatCameBeforeABreakStaysForLater) {
  const Outcome broken = fetch(imageJob(scenario("drop-always")));
  EXPECT_EQ(broken.code(), "E_SHORT");
  ASSERT_GT(broken.output.size(), 0U);
  EXPECT_EQ(broken.output, imageBytes().substr(0, broken.output.size()));
  ipc::FetchImageJob later = imageJob(scenario("ok"));
  later.knownUrl = later.url;
  later.resumeFrom = broken.output.size();
  ASSERT_TRUE(broken.found());
  later.resumeTag = broken.found()->tag;
  const Outcome outcome = fetch(later, broken.output);
  EXPECT_EQ(outcome.output, imageBytes());
  EXPECT_EQ(outcome.image()->bytes, imageBytes().size());
  EXPECT_THAT(requests().back(),
              HasSubstr("\"range\": \"bytes=" + std::to_string(broken.output.size()) + "-\""));
}

TEST_F(Fetch, WithoutRangesABreakEndsTheJob) {
  EXPECT_EQ(codeOf("drop-no-ranges"), "E_SHORT");
  EXPECT_EQ(requests().size(), 1U);
}

TEST_F(Fetch, APartOfAnotherVersionIsThrownAway) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.knownUrl = job.url;
  job.resumeFrom = 2000;
  job.resumeTag = "\"version-0\"";
  EXPECT_EQ(fetch(job, std::string(5000, 'x')).output, imageBytes());
}

TEST_F(Fetch, APartThatTheServerCannotContinueIsThrownAway) {
  ipc::FetchImageJob job = imageJob(scenario("not-satisfiable"));
  job.knownUrl = job.url;
  job.resumeFrom = 2000;
  job.resumeTag = "\"version-1\"";
  EXPECT_EQ(fetch(job, std::string(5000, 'x')).output, imageBytes());
}

TEST_F(Fetch, APartThatIsNotInTheFileIsNotContinued) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.knownUrl = job.url;
  job.resumeFrom = 2000;
  job.resumeTag = "\"version-1\"";
  EXPECT_EQ(fetch(job, "short").output, imageBytes());
  for (const std::string& line : requests()) EXPECT_THAT(line, Not(HasSubstr("\"range\"")));
}

}  // namespace
}  // namespace airlock::fetch
