// SPDX-License-Identifier: Apache-2.0
#include "cli/containers_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace airlock::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kHead =
    "# Taken over from a containers policy by airlock config import-policy-json.\n"
    "# The first line that matches decides; the longest names stand first.\n";

KeyFingerprint openPgp(char digit) { return KeyFingerprint::parse(std::string(40, digit)).value(); }
KeyFingerprint pem(char digit) {
  return KeyFingerprint::parse("sha256-" + std::string(64, digit)).value();
}

// Files "/gpg-a", "/pem-b" and so on, whose content is their name.
Result<ContainersPolicy> translated(const std::string& json, const std::string& who = "root") {
  return translateContainersPolicy(
      json, who,
      {.readKey = [](const std::string& path) -> Result<std::string> {
         if (path.starts_with("/gpg-") || path.starts_with("/pem-")) return path;
         return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no such file");
       },
       .fingerprintOf = [](const std::string& content) -> Result<KeyFingerprint> {
         return content.starts_with("/gpg-") ? openPgp(content.back()) : pem(content.back());
       }});
}
std::string docker(const std::string& scopes, const std::string& fallback = "reject") {
  return R"({"default":[{"type":")" + fallback + R"("}],"transports":{"docker":{)" + scopes + "}}}";
}
std::string linesOf(const std::string& json) {
  const auto policy = translated(json);
  if (!policy) return policy.error().message();
  EXPECT_TRUE(policy->lines.starts_with(kHead));
  return policy->lines.substr(kHead.size());
}
std::vector<std::string> keysOf(const ContainersPolicy& policy) {
  std::vector<std::string> result;
  for (const auto& key : policy.keys) {
    result.push_back(key.directory + "/" + key.fingerprint.text().substr(0, 9) +
                     (key.content.empty() ? " masked" : ""));
  }
  return result;
}
std::vector<std::string> leftOf(const std::string& json) {
  std::vector<std::string> result;
  const auto policy = translated(json);
  if (!policy) return {policy.error().message()};
  for (const auto& left : policy->left) result.push_back(left.what);
  return result;
}

TEST(ContainersPolicyImport, AcceptAndRejectBecomeRules) {
  EXPECT_EQ(linesOf(docker(R"("registry.example:5000/team":[{"type":"insecureAcceptAnything"}],)"
                           R"("docker.io/library/busybox":[{"type":"reject"}])")),
            "deny anyone fetch,run image=registry-1.docker.io/library/busybox\n"
            "allow root fetch,run image=registry.example~5000/team signer=any insecure=image\n"
            "deny anyone fetch,run image=registry.example~5000/team\n"
            "deny anyone fetch,run\n");
}

TEST(ContainersPolicyImport, KeysOfGpgAndSigstoreComeAlong) {
  const auto policy = translated(
      docker(
          R"("a.example/x":[{"type":"signedBy","keyType":"GPGKeys","keyPaths":["/gpg-a","/gpg-b"]}],)"
          R"("b.example/y":[{"type":"sigstoreSigned","keyPath":"/pem-c",)"
          R"("rekorPublicKeyPath":"/pem-d","signedIdentity":{"type":"matchRepository"}}])"),
      "group:airlock");
  ASSERT_TRUE(policy) << policy.error().text();
  EXPECT_EQ(policy->lines.substr(kHead.size()),
            "allow group:airlock fetch,run image=a.example/x kinds=simple\n"
            "deny anyone fetch,run image=a.example/x\n"
            "allow group:airlock fetch,run image=b.example/y kinds=cosign\n"
            "deny anyone fetch,run image=b.example/y\n"
            "deny anyone fetch,run\n");
  EXPECT_THAT(keysOf(*policy), ElementsAre("trustedkeys/prefix.d/a.example/x/aaaaaaaaa",
                                           "trustedkeys/prefix.d/a.example/x/bbbbbbbbb",
                                           "trustedkeys/prefix.d/b.example/y/sha256-cc",
                                           "trustedkeys/rekor.d/b.example/y/sha256-dd"));
  EXPECT_THAT(policy->left, IsEmpty());
}

TEST(ContainersPolicyImport, KeysInTheFileItselfAreDecoded) {
  const auto policy = translated(
      docker(R"("a.example":[{"type":"signedBy","keyType":"GPGKeys","keyData":"L2dwZy1h"}])"));
  ASSERT_TRUE(policy);
  ASSERT_EQ(policy->keys.size(), 1U);
  EXPECT_EQ(policy->keys[0].content, "/gpg-a");
  EXPECT_FALSE(
      translated(docker(R"("a.example":[{"type":"signedBy","keyType":"GPGKeys","keyData":"!"}])")));
}

TEST(ContainersPolicyImport, ANarrowerScopeHidesTheKeysOfTheWider) {
  const auto policy = translated(
      docker(R"("a.example":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/gpg-a"}],)"
             R"("a.example/x":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/gpg-b"}],)"
             R"("a.example/x/y":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/gpg-a"}])"));
  ASSERT_TRUE(policy);
  EXPECT_THAT(keysOf(*policy), ElementsAre("trustedkeys/prefix.d/a.example/x/y/aaaaaaaaa",
                                           "trustedkeys/prefix.d/a.example/x/y/bbbbbbbbb masked",
                                           "trustedkeys/prefix.d/a.example/x/bbbbbbbbb",
                                           "trustedkeys/prefix.d/a.example/x/aaaaaaaaa masked",
                                           "trustedkeys/prefix.d/a.example/aaaaaaaaa"));
}

TEST(ContainersPolicyImport, WhatCannotBeSaidIsDeniedAndNamed) {
  const std::string denied = "deny anyone fetch,run image=a.example/x\ndeny anyone fetch,run\n";
  const auto signedBy = [](const std::string& more) {
    return docker(R"("a.example/x":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/gpg-a")" +
                  more + "}]");
  };
  const auto sigstore = [](const std::string& more) {
    return docker(R"("a.example/x":[{"type":"sigstoreSigned")" + more + "}]");
  };
  for (const std::string& json :
       {signedBy(R"(,"signedIdentity":{"type":"matchExact"})"),
        signedBy(R"(,"signedIdentity":{"type":"exactRepository","dockerRepository":"b/c"})"),
        signedBy(R"(,"signedIdentity":{"type":"remapIdentity","prefix":"a","signedPrefix":"b"})"),
        sigstore(R"(,"keyPath":"/pem-a")"),
        sigstore(R"(,"keyPath":"/pem-a","signedIdentity":{"type":"matchExact"})"),
        sigstore(R"(,"fulcio":{"caPath":"/x"},"signedIdentity":{"type":"matchRepository"})"),
        sigstore(R"(,"keyPath":"/gpg-a","signedIdentity":{"type":"matchRepository"})"),
        sigstore(R"(,"keyPath":"/none","signedIdentity":{"type":"matchRepository"})"),
        sigstore(R"(,"signedIdentity":{"type":"matchRepository"})"),
        docker(R"("a.example/x":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/gpg-a"},)"
               R"({"type":"signedBy","keyType":"GPGKeys","keyPath":"/gpg-b"}])"),
        docker(R"("a.example/x:1.2":[{"type":"insecureAcceptAnything"}])"),
        docker(R"("a.example/x":[{"type":"insecureAcceptAnything"}],)"
               R"("a.example/x:1.2":[{"type":"reject"}])")}) {
    EXPECT_EQ(linesOf(json), denied) << json;
    EXPECT_FALSE(leftOf(json).empty()) << json;
    EXPECT_TRUE(translated(json)->keys.empty()) << json;
  }
}

TEST(ContainersPolicyImport, AllRequirementsOfAScopeHaveToHold) {
  EXPECT_EQ(linesOf(docker(R"("a.example":[{"type":"insecureAcceptAnything"},{"type":"reject"}])")),
            "deny anyone fetch,run image=a.example\ndeny anyone fetch,run\n");
  EXPECT_EQ(linesOf(docker(R"("a.example":[{"type":"insecureAcceptAnything"},)"
                           R"({"type":"signedBy","keyType":"GPGKeys","keyPath":"/gpg-a"}])")),
            "allow root fetch,run image=a.example kinds=simple\n"
            "deny anyone fetch,run image=a.example\ndeny anyone fetch,run\n");
}

TEST(ContainersPolicyImport, ADefaultThatAcceptsEverythingGrantsNothing) {
  EXPECT_EQ(linesOf(docker("", "insecureAcceptAnything")), "");
  EXPECT_THAT(leftOf(docker("", "insecureAcceptAnything")), ElementsAre("default"));
  EXPECT_EQ(linesOf(docker(R"("":[{"type":"reject"}])", "insecureAcceptAnything")),
            "deny anyone fetch,run\n");
}

TEST(ContainersPolicyImport, OtherTransportsAndWildcardsAreNamed) {
  EXPECT_THAT(leftOf(R"({"default":[{"type":"reject"}],"transports":{)"
                     R"("docker-daemon":{"":[{"type":"insecureAcceptAnything"}]},)"
                     R"("docker":{"*.a.example":[{"type":"reject"}]}}})"),
              ElementsAre("docker-daemon", "docker *.a.example"));
}

TEST(ContainersPolicyImport, WhatIsNotUnderstoodRefusesTheFile) {
  for (const std::string& json :
       {std::string("x"), std::string("{}"), std::string(R"({"default":[]})"),
        std::string(R"({"default":[{"type":"reject"}],"more":1})"),
        std::string(R"({"default":[{"type":"reject"}],"default":[{"type":"reject"}]})"),
        std::string(R"({"default":[{"type":"maybe"}]})"),
        docker(R"("a.example":[{"type":"reject","x":1}])"), docker(R"("a.example":{})"),
        docker(R"("a.example":[{"type":"signedBy","keyType":"GPGKeys","keypath":"/gpg-a"}])"),
        docker(R"("a.example":[{"type":"sigstoreSigned","keyPath":"/pem-a",)"
               R"("signedIdentity":{"type":"matchAll"}}])"),
        docker(R"("a.example":[{"type":"sigstoreSigned","keyPath":"/pem-a",)"
               R"("signedIdentity":{"type":"matchRepository","x":1}}])")}) {
    const auto policy = translated(json);
    ASSERT_FALSE(policy) << json;
    EXPECT_EQ(policy.error().code(), "E_IMPORT") << json;
  }
}

}  // namespace
}  // namespace airlock::cli
