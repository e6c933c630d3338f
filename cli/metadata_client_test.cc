// SPDX-License-Identifier: Apache-2.0
// With the real service, started by its command.
#include "cli/metadata_client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "base/process.h"
#include "base/syscall.h"

namespace airlock::cli {
namespace {

constexpr char kPod[] = R"({"acKind":"PodManifest","acVersion":"0.8.11","apps":[{"name":"web"}]})";
constexpr char kImage[] = R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"a.b/web"})";

class MetadataClient : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/airlock-mds-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    options_.dir = path;
    if (::geteuid() == 0 && std::system("getent passwd airlock-metadata >/dev/null") != 0)
      GTEST_SKIP() << "needs the user airlock-metadata";
  }
  void TearDown() override {
    service_.reset();
    std::filesystem::remove_all(options_.dir);
  }
  void start() {
    const Fd program = sys::openPath(AIRLOCK_BINARY_DIR "/bin/airlock", O_RDONLY).value();
    service_.emplace(spawn({.executable = program,
                            .arguments = {"airlock", "--dir=" + options_.dir, "metadata-service",
                                          "--listen-port=0"},
                            .environment = {},
                            .descriptors = {}})
                         .value());
    for (int tries = 0; tries < 500 && !metadataUrl(options_, ""); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Result<MetadataRegistration> registered(const std::string& token, const char* app) {
    return MetadataRegistration::make(options_, pod_, {token, {{app, kImage}}}, kPod);
  }
  // The status of what a pod with this token asks.
  std::string asked(const std::string& token) const {
    const std::string command = "curl -s -m 20 -o /dev/null -w '%{http_code}' " +
                                metadataUrl(options_, token).value() + "/acMetadata/v1/pod/uuid >" +
                                options_.dir + "/status";
    static_cast<void>(std::system(command.c_str()));
    std::ifstream file(options_.dir + "/status");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Options options_;
  PodId pod_ = PodId::random();
  std::optional<Child> service_;
};

TEST_F(MetadataClient, RegistersAPodForAsLongAsItIsHeld) {
  start();
  const std::string token = newMetadataToken();
  {
    const auto first = registered(token, "web");
    ASSERT_TRUE(first.has_value()) << first.error().text();
    EXPECT_EQ(asked(token), "200");
  }
  EXPECT_EQ(asked(token), "401");
  EXPECT_TRUE(registered(token, "web").has_value()) << "again";
}
TEST_F(MetadataClient, APodIsForgottenWhenItsHolderIsKilled) {
  start();
  const std::string token = newMetadataToken();
  const sys::Pipe ready = sys::pipe().value();
  const pid_t holder = ::fork();
  if (holder == 0) {
    const auto held = registered(token, "web");
    static_cast<void>(sys::writeAll(ready.writeEnd, held ? "y" : "n"));
    for (;;) ::pause();
  }
  std::array<std::uint8_t, 1> said{};
  EXPECT_EQ(sys::read(ready.readEnd, said).value(), 1U);
  EXPECT_EQ(said[0], 'y');
  EXPECT_EQ(asked(token), "200");
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  for (int tries = 0; tries < 500 && asked(token) == "200"; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(asked(token), "401");
}
TEST_F(MetadataClient, RegistersNothingWhenAnAppIsRefused) {
  start();
  const std::string token = newMetadataToken();
  const auto done = registered(token, "db");
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), "E_METADATA");
  EXPECT_THAT(done.error().message(), testing::HasSubstr("no such app"));
  EXPECT_EQ(asked(token), "401");
}
TEST_F(MetadataClient, SaysThatThereIsNoService) {
  const auto done = registered(newMetadataToken(), "web");
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), "E_METADATA");
  EXPECT_THAT(done.error().hint(), testing::HasSubstr("metadata-service"));
}
TEST_F(MetadataClient, MakesATokenThatNobodyGuesses) {
  EXPECT_EQ(newMetadataToken().size(), 32U);
  EXPECT_NE(newMetadataToken(), newMetadataToken());
}

}  // namespace
}  // namespace airlock::cli
