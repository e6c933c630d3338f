// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/configuration.h"
#include "cli/registry_auth.h"

namespace airlock::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = ipc::Credential::Kind;

image::Repository repository(std::string_view text) {
  return image::parseRegistryImage(text).value().repository;
}

// A home of the test's own, named by the environment.
class RegistryAccessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "airlock-access-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    home_ = pattern;
    for (const char* name :
         {"REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"}) {
      ::unsetenv(name);
    }
    ::setenv("HOME", home_.c_str(), 1);
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  void write(const std::string& path, const std::string& text, mode_t mode = 0600) const {
    const std::filesystem::path file = home_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    ::chmod(file.c_str(), mode);
  }
  static std::string secretFor(std::string_view reference) {
    const auto found = registryCredential(repository(reference));
    if (!found) return "refused: " + found.error().text();
    return *found ? (*found)->user + ":" + (*found)->secret : "none";
  }
  std::string home_;
};

// base64 of "user:NAME"
constexpr const char* kFiles = R"({"auths":{
  "registry.example":{"auth":"dXNlcjpob3N0"},
  "registry.example/team":{"auth":"dXNlcjp0ZWFt"},
  "registry.example/team/web":{"auth":"dXNlcjp3ZWI="},
  "https://index.docker.io/v1/":{"auth":"dXNlcjpodWI="},
  "Port.Example:5000":{"identitytoken":"refresh"},
  "empty.example":{}}})";

TEST_F(RegistryAccessTest, TheLongestNamespaceCounts) {
  write(".config/containers/auth.json", kFiles);
  EXPECT_EQ(secretFor("registry.example/other"), "user:host");
  EXPECT_EQ(secretFor("registry.example/teams/web"), "user:host");
  EXPECT_EQ(secretFor("registry.example/team/api"), "user:team");
  EXPECT_EQ(secretFor("registry.example/team/web"), "user:web");
  EXPECT_EQ(secretFor("registry.example/team/web/sub"), "user:web");
  EXPECT_EQ(secretFor("busybox"), "user:hub");
  EXPECT_EQ(secretFor("empty.example/a"), "none");
  EXPECT_EQ(secretFor("registry.example:5000/team/web"), "none");
  const auto identity = registryCredential(repository("port.example:5000/a")).value().value();
  EXPECT_EQ(identity.kind, Kind::Identity);
  EXPECT_EQ(identity.secret, "refresh");
}

TEST_F(RegistryAccessTest, FilesAreAskedInTheOrderOfOtherTools) {
  write(".dockercfg", R"({"a.b":{"auth":"dXNlcjpvbGQ=","email":"a@b"}})");
  EXPECT_EQ(secretFor("a.b/c"), "user:old");
  write(".docker/config.json", R"({"auths":{"a.b":{"auth":"dXNlcjpkb2NrZXI="}}})");
  EXPECT_EQ(secretFor("a.b/c"), "user:docker");
  write(".config/containers/auth.json", R"({"auths":{"a.b":{"auth":"dXNlcjpjb25maWc="}}})");
  EXPECT_EQ(secretFor("a.b/c"), "user:config");
  write("run/containers/auth.json", R"({"auths":{"a.b":{"auth":"dXNlcjpydW4="}}})");
  ::setenv("XDG_RUNTIME_DIR", (home_ + "/run").c_str(), 1);
  EXPECT_EQ(secretFor("a.b/c"), "user:run");
  write("named.json", R"({"auths":{}})");
  ::setenv("REGISTRY_AUTH_FILE", (home_ + "/named.json").c_str(), 1);
  EXPECT_EQ(secretFor("a.b/c"), "none");
  // One that is named with --authfile is the only one, and must be there.
  const std::string config = home_ + "/.docker/config.json";
  EXPECT_EQ(registryCredential(repository("a.b/c"), config).value()->secret, "docker");
  EXPECT_EQ(registryCredential(repository("c.d/e"), config).value(), std::nullopt);
  const auto missing = registryCredential(repository("a.b/c"), home_ + "/missing.json");
  EXPECT_EQ(missing.error().code(), "E_CONFIG");
}

TEST_F(RegistryAccessTest, HelpersAreAskedAsTheUser) {
  write("bin/docker-credential-test",
        "#!/bin/sh\nread host\n[ \"$1\" = get ] || exit 1\n"
        "[ -z \"$CANARY\" ] || exit 1\n"
        "case $host in\n"
        "  token.example) echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}';;\n"
        "  none.example) echo 'credentials not found in native keychain'; exit 1;;\n"
        "  broken.example) echo 'secret: {';;\n"
        "  *) echo \"{\\\"Username\\\":\\\"helped\\\",\\\"Secret\\\":\\\"$host\\\"}\";;\n"
        "esac\n",
        0700);
  ::setenv("PATH", (home_ + "/bin:/usr/bin:/bin").c_str(), 1);
  ::setenv("CANARY", "value", 1);
  write(".docker/config.json",
        R"({"auths":{"a.b":{"auth":"dXNlcjp4"}},"credHelpers":{"a.b":"test"},
            "credsStore":"test"})");
  EXPECT_EQ(secretFor("a.b/c"), "helped:a.b");
  EXPECT_EQ(secretFor("busybox"), "helped:https://index.docker.io/v1/");
  EXPECT_EQ(secretFor("none.example/a"), "none");
  EXPECT_EQ(registryCredential(repository("token.example/a")).value()->kind, Kind::Identity);
  EXPECT_THAT(secretFor("broken.example/a"), HasSubstr("answers no JSON object"));
  EXPECT_THAT(secretFor("broken.example/a"), ::testing::Not(HasSubstr("secret:")));
  write(".docker/config.json", R"({"credsStore":"missing"})");
  EXPECT_THAT(secretFor("a.b/c"), HasSubstr("docker-credential-missing"));
  write(".docker/config.json", R"({"credsStore":"../bin/sh"})");
  EXPECT_THAT(secretFor("a.b/c"), HasSubstr("credsStore names no program"));
  ::unsetenv("CANARY");
}

TEST_F(RegistryAccessTest, F15_AFileThatOthersCanWriteIsRefused) {
  write(".docker/config.json", R"({"auths":{"a.b":{"auth":"dXNlcjp4"}}})", 0666);
  EXPECT_THAT(secretFor("a.b/c"), HasSubstr("can be written by everyone"));
  write(".docker/config.json", "{");
  EXPECT_THAT(secretFor("a.b/c"), HasSubstr("refused"));
  for (const char* auth : {"!!", "bm9jb2xvbg==", "dXNlcjoNCg=="}) {
    write(".docker/config.json", std::string(R"({"auths":{"a.b":{"auth":")") + auth + "\"}}}");
    EXPECT_THAT(secretFor("a.b/c"), HasSubstr("refused")) << auth;
  }
}

TEST_F(RegistryAccessTest, CertificatesLieInADirectoryOfTheHostsName) {
  write("first/a.b:5000/ca.crt", "one");
  write("first/a.b:5000/more.crt", "two");
  write("first/a.b:5000/client.cert", "certificate");
  write("first/a.b:5000/client.key", "key");
  write("second/a.b:5000/ca.crt", "other");
  write("second/c.d/client.cert", "lonely");
  const std::vector<std::string> both = {home_ + "/none", home_ + "/first", home_ + "/second"};
  const auto found = registryCertificates(both, "a.b:5000").value();
  EXPECT_EQ(found.authorities, "one\ntwo\n");
  EXPECT_EQ(found.certificate, "certificate");
  EXPECT_EQ(found.key, "key");
  EXPECT_EQ(registryCertificates(both, "a.b").value().authorities, "");
  EXPECT_THAT(registryCertificates(both, "c.d").error().text(), HasSubstr("client.key"));
}

TEST_F(RegistryAccessTest, OurOwnSettingsComeFirst) {
  write("etc/auth.d/docker.json",
        R"({"rktKind":"dockerAuth","rktVersion":"v1","registries":["docker.io"],
            "credentials":{"user":"ours","password":"secret"}})");
  write("etc/registries.d/hub.json",
        R"({"airlockKind":"registry","airlockVersion":"v1","registry":"docker.io",
            "mirrors":[{"location":"mirror.example:5000/hub","insecure":true}],
            "lookasides":["https://signatures.example"]})");
  write(".config/containers/certs.d/mirror.example:5000/ca.crt", "authority");
  write(".docker/config.json", R"({"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpodWI="},
                                            "mirror.example:5000":{"auth":"dXNlcjptaXJyb3I="}}})");
  Options options;
  options.systemConfig = home_ + "/etc";
  options.localConfig = home_ + "/none";
  const RegistryAccess access = registryAccess(options, repository("busybox")).value();
  ASSERT_EQ(access.endpoints.size(), 2U);
  EXPECT_EQ(access.endpoints[0].host, "mirror.example:5000");
  EXPECT_EQ(access.endpoints[0].repository, "hub/library/busybox");
  EXPECT_TRUE(access.endpoints[0].allowHttp);
  EXPECT_TRUE(access.endpoints[0].hasCaBundle);
  EXPECT_EQ(access.endpoints[1].host, "registry-1.docker.io");
  EXPECT_FALSE(access.endpoints[1].allowHttp);
  EXPECT_EQ(access.certificates.size(), 1U);
  ASSERT_EQ(access.credentials.size(), 2U);
  EXPECT_EQ(access.credentials[0].secret, "mirror");
  EXPECT_EQ(access.credentials[1].secret, "secret");
  EXPECT_THAT(access.lookasides, ElementsAre("https://signatures.example"));
  options.insecure.tls = true;
  EXPECT_TRUE(registryAccess(options, repository("busybox")).value().credentials.empty());
}

}  // namespace
}  // namespace airlock::cli
