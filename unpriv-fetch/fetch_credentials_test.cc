// SPDX-License-Identifier: Apache-2.0
// Who is told a credential, and who is not.
#include <gmock/gmock.h>
#include <sodium.h>

#include <nlohmann/json.hpp>

#include "unpriv-fetch/fetch_test.h"

namespace airlock::fetch {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Kind = ipc::Credential::Kind;
constexpr char kBasicOfUser[] = "\"authorization\": \"Basic dXNlcjpjYW5hcnk=\"";  // user:canary

std::string scenario(const std::string& name) { return "https://example.com/s/" + name + "/x.aci"; }

ipc::Credential basic(const std::string& host) {
  return {.host = host, .kind = Kind::Basic, .user = "user", .secret = "canary"};
}

template <class Job>
Job with(Job job, std::vector<ipc::Credential> credentials) {
  job.options.credentials = std::move(credentials);
  return job;
}

using Credentials = Fetch;

TEST_F(Credentials, GoToTheHostThatTheyAreFor) {
  const Outcome outcome = fetch(with(imageJob(scenario("ok")), {basic("example.com")}));
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  ASSERT_EQ(requests().size(), 1U);
  EXPECT_THAT(requests().front(), HasSubstr(kBasicOfUser));
}

TEST_F(Credentials, GoWithDiscoverySignatureAndImage) {
  const Outcome outcome =
      fetch(with(nameJob("example.com/app", {{"version", "1.0"}}), {basic("example.com")}));
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_GE(requests().size(), 3U);
  EXPECT_THAT(requests(), Each(HasSubstr(kBasicOfUser)));
}

TEST_F(Credentials, GoWithKeys) {
  EXPECT_TRUE(fetch(with(keysJob("example.com/app"), {basic("example.com")})).keys());
  EXPECT_THAT(requests(), Each(HasSubstr(kBasicOfUser)));
}

TEST_F(Credentials, OfTheBearerKindAreATokenAlone) {
  const ipc::Credential token{.host = "example.com", .kind = Kind::Bearer, .secret = "canary"};
  ASSERT_TRUE(fetch(with(imageJob(scenario("ok")), {token})).image());
  EXPECT_THAT(requests().front(), HasSubstr("\"authorization\": \"Bearer canary\""));
}

TEST_F(Credentials, GoToNoOtherHost) {
  for (const char* host : {"example.com:8443", "good.example", "com", "www.example.com", ""}) {
    ASSERT_TRUE(fetch(with(imageJob(scenario("ok")), {basic(host)})).image()) << host;
  }
  EXPECT_THAT(requests(), Each(Not(HasSubstr("authorization"))));
}

TEST_F(Credentials, AreLeftOffWhenARedirectLeadsToAnotherHost) {
  ASSERT_TRUE(fetch(with(imageJob(scenario("to-other-host")), {basic("example.com")})).image());
  ASSERT_EQ(requests().size(), 2U);
  EXPECT_THAT(requests().front(), HasSubstr(kBasicOfUser));
  EXPECT_THAT(requests().back(), Not(HasSubstr("authorization")));
}

TEST_F(Credentials, OfTheHostThatARedirectLeadsToAreNotSentEither) {
  ASSERT_TRUE(fetch(with(imageJob(scenario("to-other-host")), {basic("good.example")})).image());
  EXPECT_THAT(requests(), Each(Not(HasSubstr("authorization"))));
}

TEST_F(Credentials, StayWithinRedirectsOfOneHost) {
  ASSERT_TRUE(fetch(with(imageJob(scenario("redirects/2")), {basic("example.com")})).image());
  EXPECT_GE(requests().size(), 2U);
  EXPECT_THAT(requests(), Each(HasSubstr(kBasicOfUser)));
}

TEST_F(Credentials, NeverGoOverPlainHttp) {
  ipc::FetchImageJob job = with(imageJob("http://example.com/s/ok/x.aci"),
                                {basic("example.com"), basic("example.com:80")});
  job.options.allowHttp = true;
  ASSERT_TRUE(fetch(job).image());
  EXPECT_THAT(requests(), Each(Not(HasSubstr("authorization"))));
}

TEST_F(Credentials, AreNotToldToAServerThatNobodyHasChecked) {
  ipc::FetchImageJob job = with(imageJob(scenario("ok")), {basic("example.com")});
  job.options.skipTlsCheck = true;
  ASSERT_TRUE(fetch(job).image());
  EXPECT_THAT(requests(), Each(Not(HasSubstr("authorization"))));
}

TEST_F(Credentials, AreInNoEventOfTheFetcher) {
  ipc::FetchImageJob job =
      with(imageJob("https://example.com/nothing.aci"), {basic("example.com")});
  const Outcome outcome = fetch(job);
  EXPECT_EQ(outcome.code(), "E_HTTP");
  EXPECT_THAT(outcome.failure(), Not(HasSubstr("canary")));
  EXPECT_THAT(outcome.notes(), Each(Not(HasSubstr("canary"))));
}

// --- Signature Version 4, computed here from the documentation of AWS ---

std::string hex(std::string_view bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  ::sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                   bytes.size());
  text.pop_back();
  return text;
}
std::string sha256(std::string_view text) {
  std::string digest(crypto_hash_sha256_BYTES, '\0');
  ::crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return digest;
}
std::string hmac(std::string_view key, std::string_view text) {
  std::string code(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256_state state;
  ::crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()),
                                key.size());
  ::crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                  text.size());
  ::crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(code.data()));
  return code;
}
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t start = text.find(before);
  if (start == text.npos) return "";
  const std::size_t begin = start + before.size();
  return text.substr(begin, text.find(after, begin) - begin);
}

TEST_F(Credentials, OfAwsSignTheRequest) {
  const ipc::Credential key{.host = "example.com",
                            .kind = Kind::Aws,
                            .user = "AKIDEXAMPLE",
                            .secret = "canary",
                            .region = "eu-west-1"};
  const Outcome outcome = fetch(with(imageJob(scenario("ok")), {key}));
  ASSERT_TRUE(outcome.image()) << outcome.failure();
  EXPECT_THAT(requests(), Each(Not(HasSubstr("canary"))));
  const auto request = nlohmann::json::parse(requests().front());
  const auto headers = request["headers"];
  const std::string authorization = headers.value("authorization", "");
  ASSERT_THAT(authorization, StartsWith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
  const std::string scope = between(authorization, "Credential=AKIDEXAMPLE/", ",");
  EXPECT_THAT(scope, HasSubstr("/eu-west-1/s3/aws4_request"));
  const std::string names = between(authorization, "SignedHeaders=", ",");
  EXPECT_THAT(names, HasSubstr("host"));
  EXPECT_THAT(names, HasSubstr("x-amz-date"));
  EXPECT_THAT(names, HasSubstr("x-amz-content-sha256"));
  std::string canonical = "GET\n" + request["target"].get<std::string>() + "\n\n";
  std::string rest = names;
  while (!rest.empty()) {
    const std::string name = rest.substr(0, rest.find(';'));
    rest.erase(0, std::min(rest.size(), name.size() + 1));
    canonical += name + ":" + headers.value(name, "") + "\n";
  }
  canonical += "\n" + names + "\n" + headers.value("x-amz-content-sha256", "");
  const std::string date = scope.substr(0, 8);
  const std::string toSign = "AWS4-HMAC-SHA256\n" + headers.value("x-amz-date", "") + "\n" + scope +
                             "\n" + hex(sha256(canonical));
  const std::string signing =
      hmac(hmac(hmac(hmac("AWS4canary", date), "eu-west-1"), "s3"), "aws4_request");
  EXPECT_EQ(authorization.substr(authorization.find("Signature=") + 10), hex(hmac(signing, toSign)))
      << canonical;
}

}  // namespace
}  // namespace airlock::fetch
