// SPDX-License-Identifier: Apache-2.0
#include "cli/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/rkt_import.h"

namespace airlock::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Kind = ipc::Credential::Kind;

const ConfigurationDirectory& directoryOf(const char* name) {
  for (const ConfigurationDirectory& directory : configurationDirectories()) {
    if (std::string_view(directory.name) == name) return directory;
  }
  std::abort();
}

Configuration parsed(const char* directory, const std::string& text) {
  Configuration configuration;
  const auto done =
      parseConfigurationFile(text, "/c/a.d/f.json", directoryOf(directory), configuration);
  EXPECT_TRUE(done.has_value()) << done.error().text();
  return configuration;
}
std::string refusal(const char* directory, const std::string& text) {
  Configuration configuration;
  const auto done =
      parseConfigurationFile(text, "/c/a.d/f.json", directoryOf(directory), configuration);
  return done ? "accepted" : done.error().message();
}

std::string auth(const std::string& rest) {
  return R"({"rktKind":"auth","rktVersion":"v1",)" + rest + "}";
}
constexpr char kBasic[] =
    R"("domains":["Example.com:443","example.com:8443"],"type":"basic","credentials":{"user":"u","password":"p"})";

TEST(ConfigurationFile, HasCredentialsForDomains) {
  const Configuration configuration = parsed("auth.d", auth(kBasic));
  ASSERT_EQ(configuration.auth.size(), 2U);
  EXPECT_EQ(configuration.auth.at("example.com").user, "u");
  EXPECT_EQ(configuration.auth.at("example.com:8443").secret, "p");
  const Configuration token =
      parsed("auth.d", auth(R"("domains":["a.b"],"type":"oauth","credentials":{"token":"t"})"));
  EXPECT_EQ(token.auth.at("a.b").kind, Kind::Bearer);
  EXPECT_EQ(token.auth.at("a.b").secret, "t");
  const Configuration aws = parsed(
      "auth.d",
      auth(
          R"("domains":["b.s3.amazonaws.com"],"type":"aws","credentials":{"accessKeyID":"a","secretAccessKey":"s","awsRegion":"eu-west-1"})"));
  EXPECT_EQ(aws.auth.at("b.s3.amazonaws.com").kind, Kind::Aws);
  EXPECT_EQ(aws.auth.at("b.s3.amazonaws.com").region, "eu-west-1");
}

TEST(ConfigurationFile, TheOneOfTheReleasePostWorks) {
  const Configuration configuration = parsed(
      "auth.d",
      R"({ "rktKind": "dockerAuth", "rktVersion": "v1", "registries": [""], "credentials": { "user": "myuser", "password": "sekr3tstuff" } })");
  ASSERT_EQ(configuration.docker.size(), 1U);
  EXPECT_EQ(configuration.docker.at("registry-1.docker.io").user, "myuser");
}

TEST(ConfigurationFile, KnowsTheNamesOfDockersRegistry) {
  for (const char* name : {"", "docker.io", "index.docker.io", "registry-1.docker.io"})
    EXPECT_EQ(parseRegistry(name).value(), "registry-1.docker.io");
  EXPECT_EQ(parseRegistry("quay.io").value(), "quay.io");
  EXPECT_FALSE(parseRegistry("https://quay.io").has_value());
}

TEST(ConfigurationFile, TakesOurNamesAndRkts) {
  for (const char* head :
       {R"("airlockKind":"paths","airlockVersion":"v1")", R"("rktKind":"paths","rktVersion":"v1")",
        R"("airlockKind":"paths","rktKind":"paths","rktVersion":"v1")"}) {
    EXPECT_EQ(parsed("paths.d", "{" + std::string(head) + R"(,"data":"/d"})").data, "/d");
  }
  EXPECT_THAT(refusal("paths.d", R"({"airlockKind":"auth","rktKind":"paths","rktVersion":"v1"})"),
              HasSubstr("not the same"));
}

TEST(ConfigurationFile, IgnoresMembersThatNobodyKnows) {
  EXPECT_EQ(parsed("auth.d", auth(std::string(kBasic) + R"(,"later":{"a":[1,null]})")).auth.size(),
            2U);
}

TEST(ConfigurationFile, RefusesWhatRktRefuses) {
  EXPECT_THAT(refusal("auth.d", "{"), HasSubstr("failed to parse \"/c/a.d/f.json\""));
  EXPECT_THAT(refusal("auth.d", "{}"), HasSubstr("rktKind specified in \"/c/a.d/f.json\""));
  EXPECT_THAT(refusal("auth.d", R"({"rktKind":"auth"})"),
              HasSubstr("rktVersion specified in \"/c/a.d/f.json\""));
  EXPECT_EQ(refusal("auth.d", R"({"rktKind":"paths","rktVersion":"v1"})"),
            "the configuration directory \"/c/a.d\" expects to have configuration files of kinds "
            "[\"auth\" \"dockerAuth\"], but \"f.json\" has kind of \"paths\"");
  EXPECT_THAT(
      refusal("auth.d", R"({"rktKind":"auth","rktVersion":"v2"})"),
      HasSubstr("no parser available for configuration of kind \"auth\" and version \"v2\""));
  const std::pair<const char*, const char*> wrong[] = {
      {R"("domains":[])", "no domains specified"},
      {R"("domains":["a.b"])", "no auth type specified"},
      {R"("domains":["a.b"],"type":"magic")", "unknown auth type: \"magic\""},
      {R"("domains":["a.b"],"type":"basic")", "no credentials"},
      {R"("domains":["a.b"],"type":"basic","credentials":{"password":"p"})", "user not specified"},
      {R"("domains":["a.b"],"type":"basic","credentials":{"user":"u"})", "password not specified"},
      {R"("domains":["a.b"],"type":"oauth","credentials":{})", "no oauth bearer token specified"},
      {R"("domains":["a.b","A.B"],"type":"oauth","credentials":{"token":"t"})",
       "auth for domain \"A.B\" is already specified"},
      {R"("domains":["https://a.b"],"type":"oauth","credentials":{"token":"t"})", "is not HOST"},
      {R"("domains":[""],"type":"oauth","credentials":{"token":"t"})", "is not HOST"},
      {R"("domains":["a.b"],"type":"oauth","credentials":{"token":"t\r\nX: y"})", "control"},
      {R"("domains":["a.b"],"type":"basic","credentials":{"user":"u:v","password":"p"})", "colon"},
  };
  for (const auto& [rest, text] : wrong)
    EXPECT_THAT(refusal("auth.d", auth(rest)), HasSubstr(text));
  const std::string docker = R"({"rktKind":"dockerAuth","rktVersion":"v1",)";
  EXPECT_THAT(refusal("auth.d", docker + R"("registries":[]})"), HasSubstr("no registries"));
  EXPECT_THAT(
      refusal("auth.d",
              docker + R"("registries":["a.b","a.b"],"credentials":{"user":"u","password":"p"}})"),
      HasSubstr("credentials for docker registry \"a.b\" are already specified"));
  const std::string paths = R"({"rktKind":"paths","rktVersion":"v1",)";
  EXPECT_THAT(refusal("paths.d", paths + R"("data":"d"})"),
              HasSubstr("data directory must be an absolute path"));
  const std::string stage1 = R"({"rktKind":"stage1","rktVersion":"v1",)";
  EXPECT_THAT(refusal("stage1.d", stage1 + R"("name":"a.b/c"})"), HasSubstr("both"));
  EXPECT_THAT(refusal("stage1.d", stage1 + R"("location":"ftp://x"})"), HasSubstr("location"));
  EXPECT_EQ(
      parsed("stage1.d", stage1 + R"("name":"a.b/c","version":"1","location":"/x"})").stage1Name,
      "a.b/c");
}

TEST(ConfigurationFile, GuessesTheRegionOfABucket) {
  EXPECT_EQ(awsRegionOf("bucket.s3.amazonaws.com"), "us-east-1");
  EXPECT_EQ(awsRegionOf("s3-eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(awsRegionOf("bucket.s3-eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(awsRegionOf("bucket.s3.eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(awsRegionOf("s3.eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(awsRegionOf("minio.example.com"), "us-east-1");
}

class Roots : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/airlock-config-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    home_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(home_); }
  std::string write(const std::string& path, const std::string& text, mode_t mode = 0600) const {
    const std::string whole = home_ + "/" + path;
    std::filesystem::create_directories(std::filesystem::path(whole).parent_path());
    std::ofstream(whole) << text;
    EXPECT_EQ(::chmod(whole.c_str(), mode), 0);
    return whole;
  }
  std::string token(const std::string& domain, const std::string& text) const {
    return auth("\"domains\":[\"" + domain + R"("],"type":"oauth","credentials":{"token":")" +
                text + "\"}");
  }
  Result<ReadConfiguration> read() const {
    return readConfiguration({home_ + "/sys", home_ + "/loc", home_ + "/user"});
  }
  std::string text(const std::string& path) const {
    std::ifstream file(home_ + "/" + path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string home_;
};
using RktImported = Roots;

TEST_F(Roots, LaterOnesWinPerHostAndField) {
  write("sys/auth.d/a.json", token("a.b", "vendor"));
  write("sys/auth.d/c.json", token("c.d", "vendor"));
  write("loc/auth.d/a.json", token("a.b", "local"));
  write("user/auth.d/z.json", token("e.f", "user"));
  write("sys/paths.d/p.json",
        R"({"rktKind":"paths","rktVersion":"v1","data":"/v","stage1-images":"/s"})");
  write("user/paths.d/p.json", R"({"rktKind":"paths","rktVersion":"v1","data":"/u"})");
  const Configuration merged = read().value().merged;
  EXPECT_EQ(merged.auth.at("a.b").secret, "local");
  EXPECT_EQ(merged.auth.at("c.d").secret, "vendor");
  EXPECT_EQ(merged.auth.at("e.f").secret, "user");
  EXPECT_EQ(merged.data, "/u");
  EXPECT_EQ(merged.stage1Images, "/s");
}
TEST_F(Roots, SayEverythingOnce) {
  write("loc/auth.d/a.json", token("a.b", "one"));
  write("loc/auth.d/b.json", token("a.b", "two"));
  EXPECT_THAT(read().error().message(), HasSubstr("auth for domain \"a.b\" is already specified"));
}
TEST_F(Roots, PassOverEverythingButFilesThatEndInJson) {
  write("loc/auth.d/a.txt", "no JSON");
  write("loc/auth.d/deeper/a.json", "no JSON");
  write("elsewhere.json", token("a.b", "linked"));
  std::filesystem::create_symlink(home_ + "/elsewhere.json", home_ + "/loc/auth.d/link.json");
  std::filesystem::create_directories(home_ + "/loc/auth.d/directory.json");
  ASSERT_EQ(::mkfifo((home_ + "/loc/auth.d/pipe.json").c_str(), 0600), 0);
  const auto result = read();
  ASSERT_TRUE(result.has_value()) << result.error().text();
  EXPECT_TRUE(result->merged.auth.empty());
}
TEST_F(Roots, RefuseAFileInPlaceOfADirectory) {
  write("loc/auth.d", "x");
  EXPECT_EQ(read().error().message(), "expected \"" + home_ + "/loc/auth.d\" to be a directory");
}
TEST_F(Roots, RefuseWhatEveryoneCanWrite) {
  write("loc/auth.d/a.json", token("a.b", "t"), 0606);
  EXPECT_THAT(read().error().message(), HasSubstr("can be written by everyone"));
}
TEST_F(Roots, WarnOfCredentialsThatEveryoneCanRead) {
  write("loc/auth.d/a.json", token("a.b", "t"), 0640);
  write("loc/paths.d/a.json", R"({"rktKind":"paths","rktVersion":"v1"})", 0644);
  EXPECT_THAT(read().value().remarks, ElementsAre());
  write("loc/auth.d/a.json", token("a.b", "t"), 0644);
  EXPECT_THAT(read().value().remarks,
              ElementsAre(HasSubstr("everyone on this machine can read the credentials in")));
}
TEST_F(Roots, WithoutDirectoriesSayNothing) {
  EXPECT_TRUE(read().value().merged.auth.empty());
  EXPECT_EQ(read().value().merged.data, "");
}
TEST_F(Roots, NameTheDataDirectoryUnlessAFlagDoes) {
  write("loc/paths.d/p.json", R"({"rktKind":"paths","rktVersion":"v1","data":"/configured"})");
  Options options{.localConfig = home_ + "/loc", .systemConfig = home_ + "/sys"};
  ASSERT_TRUE(applyConfiguredPaths(options).has_value());
  EXPECT_EQ(options.dir, "/configured");
  Options given{.dir = "/given", .dirGiven = true, .localConfig = home_ + "/loc"};
  ASSERT_TRUE(applyConfiguredPaths(given).has_value());
  EXPECT_EQ(given.dir, "/given");
}
TEST_F(Roots, GiveNoCredentialsWithoutTlsVerification) {
  write("loc/auth.d/a.json", token("a.b", "t"));
  Options options{.localConfig = home_ + "/loc", .systemConfig = home_ + "/sys"};
  EXPECT_EQ(configuredCredentials(options).value().size(), 1U);
  options.insecure.tls = true;
  EXPECT_TRUE(configuredCredentials(options).value().empty());
}
TEST_F(Roots, ArePrintedWithoutSecrets) {
  write("loc/auth.d/a.json", token("a.b", "canary"));
  write("loc/auth.d/b.json",
        auth(R"("domains":["c.d"],"type":"basic","credentials":{"user":"u","password":"canary"})"));
  write(
      "loc/auth.d/d.json",
      R"({"rktKind":"dockerAuth","rktVersion":"v1","registries":["q.io"],"credentials":{"user":"u","password":"canary"}})");
  const Configuration merged = read().value().merged;
  EXPECT_THAT(configurationJson(merged, false).dump(), Not(HasSubstr("canary")));
  EXPECT_EQ(
      configurationJson(merged, true)["stage0"][0].dump(),
      R"({"airlockVersion":"v1","airlockKind":"auth","domains":["a.b"],"type":"oauth","credentials":{"token":"canary"}})");
  EXPECT_EQ(configurationJson(merged, true)["stage0"].size(), 5U);
}

TEST_F(RktImported, CredentialsAndDisabledKeysAreTakenOverOnce) {
  const std::string fingerprint(40, 'a');
  write("rkt/auth.d/a.json", token("a.b", "t"), 0644);
  write("rkt/trustedkeys/prefix.d/example.com/app/" + fingerprint, "");
  write("rkt/trustedkeys/root.d/" + fingerprint, "");
  write("rkt/net.d/10.conf", "{}");
  const auto plan = planRktImport(home_ + "/rkt", home_ + "/etc");
  ASSERT_TRUE(plan.has_value()) << plan.error().text();
  EXPECT_EQ(plan->files.size(), 3U);
  ASSERT_EQ(plan->left.size(), 1U);
  EXPECT_EQ(plan->left.front().path, home_ + "/rkt/net.d");
  EXPECT_FALSE(std::filesystem::exists(home_ + "/etc"));
  ASSERT_TRUE(carryOut(*plan, home_ + "/etc").has_value());
  EXPECT_EQ(text("etc/auth.d/a.json"), token("a.b", "t"));
  struct stat info {};
  ASSERT_EQ(::stat((home_ + "/etc/auth.d/a.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  const auto again = planRktImport(home_ + "/rkt", home_ + "/etc");
  ASSERT_TRUE(again.has_value()) << again.error().text();
  EXPECT_TRUE(again->files.empty());
  EXPECT_EQ(again->alreadyThere.size(), 3U);
}
TEST_F(RktImported, WhatSaysSomethingElseIsRefusedWhole) {
  write("rkt/auth.d/a.json", token("a.b", "t"));
  write("rkt/auth.d/b.json", token("c.d", "t"));
  write("etc/auth.d/b.json", token("c.d", "other"));
  EXPECT_THAT(planRktImport(home_ + "/rkt", home_ + "/etc").error().message(),
              HasSubstr("says something else"));
  write("etc/auth.d/b.json", token("c.d", "t"));
  write("etc/auth.d/mine.json", token("a.b", "other"));
  EXPECT_THAT(planRktImport(home_ + "/rkt", home_ + "/etc").error().message(),
              HasSubstr("auth for domain \"a.b\" is already specified"));
}
TEST_F(RktImported, RefusesAFileThatNobodyUnderstands) {
  write("rkt/auth.d/a.json", "{}");
  EXPECT_THAT(planRktImport(home_ + "/rkt", home_ + "/etc").error().message(),
              HasSubstr("specified in \"" + home_ + "/rkt/auth.d/a.json\""));
  EXPECT_THAT(planRktImport(home_ + "/none", home_ + "/etc").error().message(),
              HasSubstr("there is no directory"));
}
TEST_F(RktImported, LeavesRktsStoreAndStage1Out) {
  write("rkt/paths.d/p.json", R"({"rktKind":"paths","rktVersion":"v1","data":"/var/lib/rkt"})");
  write(
      "rkt/stage1.d/s.json",
      R"({"rktKind":"stage1","rktVersion":"v1","name":"coreos.com/rkt/stage1-fly","version":"1.30.0","location":"/s.aci"})");
  const auto plan = planRktImport(home_ + "/rkt", home_ + "/etc");
  ASSERT_TRUE(plan.has_value()) << plan.error().text();
  EXPECT_TRUE(plan->files.empty());
  ASSERT_EQ(plan->left.size(), 2U);
  EXPECT_THAT(plan->left.front().why, HasSubstr("rkt's format"));
}
TEST_F(RktImported, TakesWhatItWroteAwayWhenTheRestCannotBeWritten) {
  write("rkt/auth.d/a.json", token("a.b", "t"));
  write("rkt/trustedkeys/root.d/" + std::string(40, 'b'), "");
  const auto plan = planRktImport(home_ + "/rkt", home_ + "/etc");
  ASSERT_TRUE(plan.has_value());
  write("etc/auth.d", "in the way");
  EXPECT_FALSE(carryOut(*plan, home_ + "/etc").has_value());
  EXPECT_FALSE(std::filesystem::exists(home_ + "/etc/trustedkeys/root.d/" + std::string(40, 'b')));
}

}  // namespace
}  // namespace airlock::cli
