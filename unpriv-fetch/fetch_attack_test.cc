// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <signal.h>

#include "base/limits.h"
#include "unpriv-fetch/fetch_test.h"

namespace airlock::fetch {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

std::string scenario(const std::string& name) { return "https://example.com/s/" + name + "/x.aci"; }

TEST_F(Fetch, F01_ARedirectToAnotherSchemeIsRefused) {
  for (const char* name : {"to-file", "to-gopher", "to-ftp", "to-dict", "to-smb", "to-data"}) {
    EXPECT_EQ(codeOf(name), "E_SCHEME") << name;
  }
}

TEST_F(Fetch, F01_AnotherSchemeInTheJobIsRefused) {
  for (const char* url :
       {"file:///etc/shadow", "ftp://example.com/x.aci", "http://example.com/s/ok/x.aci"}) {
    EXPECT_EQ(fetch(imageJob(url)).code(), "E_SCHEME") << url;
  }
}

TEST_F(Fetch, F02_ARedirectFromHttpsToHttpIsRefused) { EXPECT_EQ(codeOf("to-http"), "E_SCHEME"); }

TEST_F(Fetch, F02_HttpIsUsedWhenTheUserAllowsIt) {
  ipc::FetchImageJob job = imageJob("http://example.com/s/ok/x.aci");
  job.options.allowHttp = true;
  EXPECT_TRUE(fetch(job).image());
}

TEST_F(Fetch, F02_DiscoveryNeverFallsBackToHttpSilently) {
  EXPECT_EQ(fetch(nameJob("example.com/http-only")).code(), "E_DISCOVERY");
  for (const std::string& line : requests())
    EXPECT_THAT(line, Not(HasSubstr("\"port\": \"http\"")));
}

TEST_F(Fetch, F02_DiscoveryFallsBackToHttpWhenTheUserAllowsIt) {
  ipc::FetchImageJob job = nameJob("example.com/http-only");
  job.options.allowHttp = true;
  EXPECT_TRUE(fetch(job).image());
}

TEST_F(Fetch, F03_NoCredentialsOrCookiesGoToAnotherHost) {
  const Outcome outcome = fetch(imageJob(scenario("to-other-host")));
  EXPECT_TRUE(outcome.image()) << outcome.failure();
  const std::vector<std::string> lines = requests();
  EXPECT_EQ(lines.size(), 2U);
  EXPECT_THAT(
      lines,
      Each(Not(AnyOf(HasSubstr("authorization"), HasSubstr("cookie"), HasSubstr("canary")))));
}

TEST_F(Fetch, F03_CredentialsInAUrlAreRefused) {
  EXPECT_EQ(codeOf("to-user"), "E_CREDENTIALS");
  EXPECT_EQ(fetch(imageJob("https://user:secret@example.com/s/ok/x.aci")).code(), "E_CREDENTIALS");
  EXPECT_THAT(fetch(imageJob("https://user:secret@example.com/s/ok/x.aci")).failure(),
              Not(HasSubstr("secret")));
}

TEST_F(Fetch, F06_LengthsThatContradictAreRefused) {
  for (const char* name : {"short", "two-lengths", "length-and-chunks", "cut-chunks"}) {
    EXPECT_EQ(codeOf(name), "E_SHORT") << name;
  }
}

TEST_F(Fetch, F06_ALengthThatIsNoNumberIsRefused) { EXPECT_EQ(codeOf("word-length"), "E_HTTP"); }

TEST_F(Fetch, F06_NothingAfterTheStatedLengthIsTaken) {
  EXPECT_EQ(fetch(imageJob(scenario("longer"))).output, "0123");
}

TEST_F(Fetch, F06_PartsThatNobodyAskedForAreRefused) {
  for (const char* name : {"unasked-part", "bad-part", "unknown-total", "wrong-range"}) {
    EXPECT_EQ(codeOf(name), "E_RANGE") << name;
  }
}

TEST_F(Fetch, F06_AVersionThatChangesBetweenPartsStartsAnew) {
  for (const char* name : {"drop-changed", "drop-liar"}) {
    const Outcome outcome = fetch(imageJob(scenario(name)));
    ASSERT_TRUE(outcome.image()) << name << ": " << outcome.failure();
    EXPECT_EQ(outcome.image()->tag, "\"version-2\"");
    EXPECT_EQ(outcome.output, imageBytes());
  }
}

TEST_F(Fetch, F06_AVersionThatNeverStaysEnds) {
  EXPECT_THAT(codeOf("restless"), AnyOf("E_SHORT", "E_RANGE"));
}

TEST_F(Fetch, F07_AnEndlessStreamStopsAtTheLimit) {
  ipc::FetchImageJob job = imageJob(scenario("endless"));
  job.options.mostBytes = 3'000'001;
  const Outcome outcome = fetch(job);
  EXPECT_EQ(outcome.code(), "E_LIMIT");
  EXPECT_EQ(outcome.output.size(), 3'000'001U);
}

TEST_F(Fetch, F07_AnAnnouncedTerabyteIsNotBegun) {
  const Outcome outcome = fetch(imageJob(scenario("too-large")));
  EXPECT_EQ(outcome.code(), "E_LIMIT");
  EXPECT_EQ(outcome.output, "");
}

TEST_F(Fetch, F08_SlowServersAreGivenUp) {
  Running header = start(imageJob(scenario("slow-header")));
  Running body = start(imageJob(scenario("slow-body")));
  Running handshake = start(imageJob(at("stall", "/s/ok/x.aci")));
  EXPECT_EQ(finish(std::move(handshake)).code(), "E_TIMEOUT");
  EXPECT_EQ(finish(std::move(header)).code(), "E_TIMEOUT");
  EXPECT_EQ(finish(std::move(body)).code(), "E_TIMEOUT");
}

TEST_F(Fetch, F09_AnEncodedAnswerIsRefused) {
  EXPECT_EQ(codeOf("gzip"), "E_ENCODING");
  EXPECT_EQ(codeOf("gzip-transfer"), "E_ENCODING");
  for (const std::string& line : requests()) EXPECT_THAT(line, Not(HasSubstr("accept-encoding")));
}

TEST_F(Fetch, F10_AFloodOfHeadersIsRefused) {
  for (const char* name : {"many-headers", "long-header", "continues", "hints"}) {
    EXPECT_EQ(codeOf(name), "E_LIMIT") << name;
  }
}

TEST_F(Fetch, F10_RedirectsEnd) {
  EXPECT_EQ(codeOf("loop"), "E_REDIRECT");
  EXPECT_EQ(requests().size(), 1U + limits::kRedirects);
  EXPECT_EQ(codeOf("to-nowhere"), "E_REDIRECT");
  EXPECT_EQ(codeOf("redirects/6"), "E_REDIRECT");
  EXPECT_EQ(codeOf("redirects/5"), "");
}

TEST_F(Fetch, F11_ACertificateThatProvesNothingIsRefused) {
  for (const char* door : {"selfsigned", "expired", "otherhost", "oldtls"}) {
    EXPECT_EQ(fetch(imageJob(at(door, "/s/ok/x.aci"))).code(), "E_TLS") << door;
  }
}

TEST_F(Fetch, F11_OnlyTheBundleOfTheJobIsTrusted) {
  ipc::FetchImageJob job = imageJob(scenario("ok"));
  job.hasCaBundle = false;
  EXPECT_EQ(fetch(job).code(), "E_TLS");
}

TEST_F(Fetch, F11_TheCheckIsLeftOutOnlyWhenTheUserSaysSo) {
  ipc::FetchImageJob job = imageJob(at("selfsigned", "/s/ok/x.aci"));
  job.options.skipTlsCheck = true;
  const Outcome outcome = fetch(job);
  EXPECT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_THAT(outcome.notes(), ::testing::Contains("warning: TLS verification has been disabled"));
}

TEST_F(Fetch, F12_NoServerSendsUsNearerThanItIs) {
  for (const char* name : {"to-machine", "to-machine-number", "to-link", "to-site", "to-dns"}) {
    EXPECT_EQ(fetch(imageJob("https://public.example/s/" + std::string(name) + "/x.aci")).code(),
              "E_ADDRESS")
        << name;
  }
  EXPECT_EQ(fetch(imageJob("https://site.example/s/to-link/x.aci")).code(), "E_ADDRESS");
}

TEST_F(Fetch, F12_TheWayOutwardsIsFree) {
  EXPECT_TRUE(fetch(imageJob("https://site.example/s/to-public/x.aci")).image());
  EXPECT_TRUE(fetch(imageJob(scenario("to-site"))).image());
}

TEST_F(Fetch, F12_ADiscoveryPageCannotNameANearerPlace) {
  EXPECT_EQ(fetch(nameJob("public.example/rebound")).code(), "E_ADDRESS");
}

TEST_F(Fetch, F12_ThroughAProxyLiteralAddressesAreJudged) {
  ipc::FetchImageJob job = imageJob("https://public.example/s/to-machine-number/x.aci");
  job.options.proxy = "http://127.0.0.1:8448";
  EXPECT_EQ(fetch(job).code(), "E_ADDRESS");
}

TEST_F(Fetch, F10_AProxyCannotFloodUsEither) {
  ipc::FetchImageJob job = imageJob("https://flood.example/x.aci");
  job.options.proxy = "http://127.0.0.1:8448";
  EXPECT_EQ(fetch(job).code(), "E_LIMIT");
}

TEST_F(Fetch, F12_TheEnvironmentSetsNoProxy) {
  EXPECT_TRUE(
      fetch(imageJob(scenario("ok"))).image());  // the fixture's environment names a dead one
}

TEST_F(Fetch, F13_OnlyTheHeadOfAPageCounts) {
  for (const char* name : {"body", "after-head", "comment", "script", "template"}) {
    EXPECT_EQ(fetch(nameJob("example.com/" + std::string(name))).code(), "E_DISCOVERY") << name;
  }
  for (const std::string& line : requests()) EXPECT_THAT(line, Not(HasSubstr("/trap/")));
}

TEST_F(Fetch, F13_AHostilePageEnds) {
  for (const char* name : {"huge", "nested", "attributes", "javascript", "unfilled"}) {
    EXPECT_EQ(fetch(nameJob("example.com/" + std::string(name))).code(), "E_DISCOVERY") << name;
  }
  EXPECT_EQ(fetch(nameJob("example.com/plain-template")).code(), "E_SCHEME");
}

TEST_F(Fetch, TextOfAServerIsEscaped) {
  const Outcome outcome = fetch(imageJob(scenario("missing")));
  EXPECT_EQ(outcome.code(), "E_HTTP");
  EXPECT_THAT(outcome.failure(), HasSubstr("bad HTTP status code: 404"));
  EXPECT_THAT(outcome.failure(), Not(HasSubstr("\x1b")));
  EXPECT_EQ(fetch(imageJob(scenario("hostile-tag"))).image()->tag, "");
}

TEST_F(Fetch, WhatIsNoHttpIsRefused) {
  EXPECT_EQ(codeOf("no-http"), "E_HTTP");
  EXPECT_EQ(codeOf("silent"), "E_SHORT");
}

TEST_F(Fetch, ANameThatDoesNotResolveSaysSo) {
  EXPECT_EQ(fetch(imageJob("https://nowhere.example/x.aci")).code(), "E_CONNECT");
}

TEST_F(Fetch, RootDoesNotGoToTheNetwork) {
  const Outcome outcome = finish(start(imageJob(scenario("ok")), "", true));
  EXPECT_EQ(outcome.code(), "E_ROOT");
  EXPECT_TRUE(requests().empty());
}

TEST_F(Fetch, TheConfinedProcessKeepsWhatItNeeds) {
  for (const char* attempt : {"open-resolver-file", "internet-socket"}) {
    EXPECT_EQ(probe(attempt).text(), "exit code 10") << attempt;
  }
}

TEST_F(Fetch, F16_H18_TheConfinedProcessReachesNothingElse) {
  for (const char* attempt : {"open-shadow", "open-passwd", "open-proc", "list-root",
                              "create-in-tmp", "write-resolver-file", "exec", "fork", "ptrace",
                              "signal", "mount", "unshare", "listen", "unix-socket", "map-code"}) {
    const ExitStatus status = probe(attempt);
    EXPECT_TRUE(status.code == 11 || status.signal == SIGSYS) << attempt << ": " << status.text();
  }
}

}  // namespace
}  // namespace airlock::fetch
