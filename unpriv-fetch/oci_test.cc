// SPDX-License-Identifier: Apache-2.0
// Docker and OCI images of registries that behave, and of those that do not.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "unpriv-fetch/blob_file.h"
#include "unpriv-fetch/oci_fixture_test.h"

namespace airlock::fetch {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Kind = ipc::OciAttachment::Kind;

constexpr char kBlobs[] = "/image/blobs/";

ipc::FetchOciJob with(ipc::FetchOciJob job, ipc::Credential credential) {
  job.options.credentials = {std::move(credential)};
  return job;
}

// The manifest and the layers of the image are what their digests name.
void expectWhole(const OciOutcome& outcome) {
  ASSERT_TRUE(outcome.done()) << outcome.failure();
  EXPECT_TRUE(outcome.status.clean());
  const ipc::OciDocuments& documents = *outcome.documents;
  const std::string manifest =
      outcome.documentBytes.substr(documents.indexBytes, documents.manifestBytes);
  EXPECT_EQ(sha256Of(manifest), documents.manifestDigest);
  ASSERT_EQ(outcome.layers.size(), documents.layers.size());
  for (const auto& [index, content] : outcome.layers) {
    EXPECT_EQ(content.size(), documents.layers[index].size);
    EXPECT_EQ(sha256Of(content), documents.layers[index].digest);
  }
}

using Oci = OciFetch;

TEST_F(Oci, DocumentsComeBeforeLayers) {
  const OciOutcome outcome = get("plain");
  expectWhole(outcome);
  EXPECT_FALSE(outcome.documents->indexDigest);
  EXPECT_EQ(outcome.documents->layers.size(), 3U);
  EXPECT_EQ(outcome.documents->platform, (ipc::OciPlatform{"linux", "amd64", ""}));
  EXPECT_THAT(requestsWith("\"authorization\""), IsEmpty());
}

TEST_F(Oci, AnIndexLeadsToTheManifestOfThisPlatform) {
  const OciOutcome outcome = get("index");
  expectWhole(outcome);
  ASSERT_TRUE(outcome.documents->indexDigest);
  const std::string index = outcome.documentBytes.substr(0, outcome.documents->indexBytes);
  EXPECT_EQ(sha256Of(index), *outcome.documents->indexDigest);
  EXPECT_THAT(index, HasSubstr(outcome.documents->manifestDigest.hex()));
  ipc::FetchOciJob job = ociJob("index");
  job.platform = {"linux", "s390x", ""};
  EXPECT_EQ(get(job).code(), "E_PLATFORM");
}

TEST_F(Oci, OnlyTheLayersThatAreWantedCome) {
  const OciOutcome two = get(ociJob("plain"), {.layers = {{{0, 0}, {2, 0}}}, .before = {}});
  EXPECT_TRUE(two.done()) << two.failure();
  EXPECT_THAT(two.layers, SizeIs(2));
  EXPECT_THAT(requestsWith(kBlobs), SizeIs(3));  // and the config
  const OciOutcome none =
      get(ociJob("plain"), {.layers = std::vector<ipc::WantedLayer>(), .before = {}});
  EXPECT_TRUE(none.done()) << none.failure();
}

TEST_F(Oci, WishesThatCannotBeAreRefused) {
  EXPECT_EQ(get(ociJob("plain"), {.layers = {{{3, 0}}}, .before = {}}).code(), "E_JOB");
}

TEST_F(Oci, WhatIsKnownIsNotFetchedAgain) {
  ipc::FetchOciJob job = ociJob("index");
  const OciOutcome first = get(job);
  ASSERT_TRUE(first.documents) << first.failure();
  const std::size_t before = requests().size();
  for (const OciDigest& known : {first.documents->manifestDigest, *first.documents->indexDigest}) {
    job.knownDigest = known;
    const OciOutcome second = get(job);
    ASSERT_TRUE(second.unchanged()) << second.failure();
    EXPECT_EQ(second.unchanged()->manifestDigest, first.documents->manifestDigest);
  }
  EXPECT_EQ(requests().size(), before + 2);
}

TEST_F(Oci, F14_ADigestIsWhatIsFetched) {
  ipc::FetchOciJob job = ociJob("plain");
  const OciOutcome first = get(job);
  ASSERT_TRUE(first.documents) << first.failure();
  job.digest = first.documents->manifestDigest;
  job.tag = "";
  expectWhole(get(job));
  job.digest = sha256Of("another");
  EXPECT_EQ(get(job).code(), "E_HTTP");
}

// --- who asks ---

TEST_F(Oci, BasicCredentialsAnswerTheirChallenge) {
  expectWhole(get(with(ociJob("basic"), userOf("example.com"))));
  EXPECT_EQ(get("basic").code(), "E_AUTH");
  EXPECT_EQ(get(with(ociJob("basic"), userOf("good.example"))).code(), "E_AUTH");
}

TEST_F(Oci, AChallengeWithCommasIsReadAndItsTokenKept) {
  expectWhole(get(with(ociJob("token"), userOf("example.com"))));
  EXPECT_THAT(requestsWith("/token/user"), SizeIs(1));
  EXPECT_THAT(requestsWith("/v2/token"), Each(Not(HasSubstr("Basic"))));
  const OciOutcome unknown = get("token");
  EXPECT_EQ(unknown.code(), "E_AUTH");
  EXPECT_THAT(unknown.failure(), HasSubstr("unable to retrieve auth token: example.com 401 "
                                           "unauthorized"));
  EXPECT_THAT(unknown.failure(), HasSubstr("log in"));
}

TEST_F(Oci, ATokenForAnybodyNeedsNoUser) {
  expectWhole(get("token-open"));
  EXPECT_THAT(requestsWith("/token/open"), SizeIs(1));
}

TEST_F(Oci, AnIdentityTokenIsSentInAForm) {
  ipc::Credential identity{
      .host = "example.com", .kind = ipc::Credential::Kind::Identity, .secret = "canary"};
  expectWhole(get(with(ociJob("identity"), identity)));
  EXPECT_THAT(requests(), Each(Not(HasSubstr("canary"))));  // of targets and headers
}

TEST_F(Oci, F04_ATokenServerWithoutTlsIsNotTold) {
  EXPECT_EQ(get(with(ociJob("token-http"), userOf("example.com"))).code(), "E_SCHEME");
  EXPECT_EQ(get(with(ociJob("token-file"), userOf("example.com"))).code(), "E_SCHEME");
  EXPECT_THAT(requestsWith("/token/"), IsEmpty());
}

TEST_F(Oci, F04_ATokenServerIsNoNearerThanItsRegistry) {
  const OciOutcome outcome = get(ociJob("token-nearer", "public.example"));
  EXPECT_EQ(outcome.code(), "E_ADDRESS") << outcome.failure();
}

TEST_F(Oci, ACredentialIsForItsRegistryAlone) {
  // The realm's own host is in the list, too: it is not its credential that is sent.
  ipc::FetchOciJob job = ociJob("token-other");
  job.options.credentials = {userOf("good.example")};
  EXPECT_EQ(get(job).code(), "E_AUTH");
  EXPECT_THAT(requestsWith("/token/user"), Each(Not(HasSubstr("Basic"))));
}

TEST_F(Oci, ATokenThatDoesNotHelpIsTheEnd) {
  const OciOutcome outcome = get("token-useless");
  EXPECT_EQ(outcome.code(), "E_AUTH");
  EXPECT_EQ(get("token-empty").code(), "E_AUTH");
  EXPECT_EQ(get("unknown-scheme").code(), "E_AUTH");
}

TEST_F(Oci, F03_ARedirectedBlobIsAskedForWithoutCredentials) {
  expectWhole(get(with(ociJob("redirected"), userOf("example.com"))));
  EXPECT_THAT(requestsWith("\"/blobs/"), SizeIs(2));
  EXPECT_THAT(requestsWith("\"/blobs/"), Each(Not(HasSubstr("authorization"))));
  EXPECT_EQ(get(with(ociJob("redirected-401"), userOf("example.com"))).code(), "E_AUTH");
  EXPECT_THAT(requestsWith("/token/"), IsEmpty());
}

TEST_F(Oci, WithoutTlsThereAreNoCredentials) {
  const auto insecure = [](const std::string& scenario, const std::string& host) {
    ipc::FetchOciJob job = with(ociJob(scenario, host), userOf(host));
    auto& endpoint = std::get<ipc::FromRegistry>(job.origin).endpoints[0];
    endpoint.allowHttp = endpoint.skipTlsCheck = true;
    return job;
  };
  const std::string selfSigned = at("selfsigned", "").substr(std::string("https://").size());
  for (const std::string& host : {std::string("example.com:80"), selfSigned}) {
    expectWhole(get(insecure("plain", host)));
    expectWhole(get(insecure("token-open", host)));
    EXPECT_EQ(get(insecure("basic", host)).code(), "E_AUTH");
    EXPECT_EQ(get(insecure("token", host)).code(), "E_AUTH");
  }
  EXPECT_THAT(requests(), Each(Not(HasSubstr("Basic"))));
  EXPECT_EQ(get(ociJob("plain", selfSigned)).code(), "E_TLS");
  EXPECT_EQ(get(ociJob("plain", "example.com:80")).code(), "E_TLS");
}

TEST_F(Oci, F12_AnOpenConnectionIsNoWayBack) {
  // The registry is on this machine, and sends us to the world, which sends us back.
  EXPECT_EQ(get("redirected-back").code(), "E_ADDRESS");
  EXPECT_THAT(requestsWith("\"/blobs/"), IsEmpty());
}

TEST_F(Oci, F15_NoSecretIsInAnEvent) {
  for (const char* scenario : {"basic", "token", "token-useless", "token-http", "identity"}) {
    const OciOutcome outcome = get(with(ociJob(scenario), userOf("example.com")));
    EXPECT_THAT(outcome.notes() + outcome.failure(),
                Not(::testing::AnyOf(HasSubstr("canary"), HasSubstr("dXNlcjpjYW5hcnk"),
                                     HasSubstr("token-of"))));
  }
}

// --- what comes ---

TEST_F(Oci, F05_WhatItsDigestDoesNotNameIsRefused) {
  for (const char* scenario : {"wrong-layer", "wrong-config", "wrong-length", "endless"}) {
    const OciOutcome outcome = get(scenario);
    EXPECT_EQ(outcome.code(), "E_DIGEST") << scenario << " " << outcome.failure();
    for (const auto& [index, part] : outcome.parts)
      EXPECT_LE(part.size(), outcome.documents->layers[index].size) << scenario;
  }
}

TEST_F(Oci, F04_UrlsInAManifestLeadNowhere) {
  expectWhole(get("urls"));
  EXPECT_THAT(requestsWith("trap"), IsEmpty());
}

TEST_F(Oci, WhatIsNoImageOfOursIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"nested", "to a document of the type \"application/vnd.oci.image.index.v1+json\""},
      {"lying-nested", "manifest and index at once"},
      {"schema1", "schema 1"},
      {"foreign", "nondistributable"},
      {"unknown-layer", "application/x-unknown"},
      {"no-image", "cosign.simplesigning"}};
  for (const auto& [scenario, why] : rows) {
    const OciOutcome outcome = get(scenario);
    EXPECT_EQ(outcome.code(), "E_MEDIA_TYPE") << scenario;
    EXPECT_THAT(outcome.failure(), HasSubstr(why));
  }
  EXPECT_EQ(get("arm").code(), "E_PLATFORM");
}

TEST_F(Oci, F17_WhatIsTooLongIsRefused) {
  EXPECT_EQ(get("long-manifest").code(), "E_LIMIT");
  ipc::FetchOciJob job = ociJob("plain");
  job.options.mostBytes = 1000;
  EXPECT_EQ(get(job).code(), "E_LIMIT");
}

TEST_F(Oci, F06_ABrokenDownloadGoesOnWhereItBroke) {
  expectWhole(get("broken"));
  EXPECT_THAT(requestsWith("\"range\""), SizeIs(2));
}

TEST_F(Oci, F06_APartOfAnEarlierProcessIsGoneOnFrom) {
  const OciOutcome whole = get("plain");
  expectWhole(whole);
  const std::string& layer = whole.layers.at(0);
  Wish wish{.layers = {}, .before = {{0, layer.substr(0, 1000)}, {1, whole.layers.at(1)}}};
  const OciOutcome resumed = get(ociJob("plain"), wish);
  expectWhole(resumed);
  EXPECT_THAT(requestsWith("bytes=1000-"), SizeIs(1));
  // The second one was there already.
  EXPECT_THAT(requestsWith(ociText(whole.documents->layers[1].digest)), SizeIs(1));
  // One that is of something else is fetched anew.
  wish.before = {{0, std::string(2000, 'x')}, {1, layer}};
  const OciOutcome anew = get(ociJob("plain"), wish);
  expectWhole(anew);
  EXPECT_THAT(anew.notes(), HasSubstr("cannot use cached partial download"));
  expectWhole(get(ociJob("no-ranges"), wish));
  wish.before = {{0, layer.substr(0, 1000)}};
  EXPECT_EQ(get(ociJob("lying-range"), wish).code(), "E_RANGE");
}

TEST_F(Oci, AConnectionThatBringsNothingIsGivenUp) {
  EXPECT_EQ(get("always-broken").code(), "E_SHORT");
}

TEST_F(Oci, ABusyServerIsAskedAgain) { expectWhole(get("busy")); }

TEST_F(Oci, ARateLimitIsToldWithWhatToDo) {
  const OciOutcome outcome = get("rate");
  EXPECT_EQ(outcome.code(), "E_RATE");
  EXPECT_THAT(outcome.failure(), HasSubstr("log in"));
}

TEST_F(Oci, AMirrorIsAskedFirstAndTheRegistryItselfLast) {
  ipc::FetchOciJob job = ociJob("plain");
  auto& endpoints = std::get<ipc::FromRegistry>(job.origin).endpoints;
  endpoints.insert(endpoints.begin(), {.host = "good.example", .repository = "no-blobs/image"});
  endpoints.insert(endpoints.begin(), {.host = "good.example", .repository = "gone/image"});
  const OciOutcome outcome = get(job);
  expectWhole(outcome);
  EXPECT_THAT(outcome.notes(), HasSubstr("mirror \"good.example\" does not have it"));
  EXPECT_THAT(requestsWith("/v2/plain/image/manifests"), IsEmpty());
  EXPECT_THAT(requestsWith("/v2/plain/image/blobs"), SizeIs(4));
}

// --- signatures ---

TEST_F(Oci, SignaturesComeWithTheDocuments) {
  ipc::FetchOciJob job = ociJob("signed");
  job.wantSigstore = true;
  const OciOutcome outcome = get(job);
  expectWhole(outcome);
  ASSERT_THAT(outcome.documents->attachments, SizeIs(2));
  EXPECT_EQ(outcome.documents->attachments[0].kind, Kind::Cosign);
  EXPECT_THAT(outcome.attachment(0).first, HasSubstr("cosign container image signature"));
  EXPECT_EQ(outcome.attachment(0).second, R"({"dev.cosignproject.cosign/signature":"MEUC"})");
  EXPECT_EQ(outcome.documents->attachments[1].kind, Kind::SigstoreBundle);
  EXPECT_THAT(outcome.attachment(1).first, HasSubstr("sigstore.bundle.v0.3"));
}

TEST_F(Oci, BundlesAreFoundByTagWhereThereAreNoReferrers) {
  ipc::FetchOciJob job = ociJob("signed-fallback");
  job.wantSigstore = true;
  const OciOutcome outcome = get(job);
  expectWhole(outcome);
  EXPECT_THAT(outcome.documents->attachments, SizeIs(2));
}

TEST_F(Oci, AnIndexCanBeWhatIsSigned) {
  ipc::FetchOciJob job = ociJob("signed-index");
  job.wantSigstore = true;
  const OciOutcome outcome = get(job);
  expectWhole(outcome);
  ASSERT_THAT(outcome.documents->attachments, SizeIs(1));
  EXPECT_TRUE(outcome.documents->attachments[0].ofIndex);
}

TEST_F(Oci, SimpleSignaturesLieInAPlaceOfTheirOwn) {
  ipc::FetchOciJob job = ociJob("plain");
  job.lookasides = {"https://good.example/lookaside"};
  const OciOutcome outcome = get(job);
  expectWhole(outcome);
  ASSERT_THAT(outcome.documents->attachments, SizeIs(2));
  EXPECT_EQ(outcome.documents->attachments[1].kind, Kind::SimpleSigning);
  EXPECT_EQ(outcome.attachment(1).first, "signature 2");
}

TEST_F(Oci, SimpleSignaturesOfADirectoryAreAskedFor) {
  ipc::FetchOciJob job = ociJob("plain");
  const OciOutcome first = get(job);
  ASSERT_TRUE(first.documents) << first.failure();
  const std::string place = directory() + "/signatures";
  const std::string signatures = place + "/" + first.documents->manifestDigest.hex();
  std::filesystem::create_directories(signatures);
  std::ofstream(signatures + "/1") << "one";
  std::ofstream(signatures + "/2") << "two";
  job.lookasideDirectories = 1;
  const OciOutcome outcome =
      get(job, {.layers = {}, .before = {}, .layout = {}, .signatures = place});
  expectWhole(outcome);
  ASSERT_THAT(outcome.documents->attachments, SizeIs(2));
  EXPECT_EQ(outcome.attachment(1).first, "two");
}

}  // namespace
}  // namespace airlock::fetch
