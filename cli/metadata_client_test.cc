// SPDX-License-Identifier: Apache-2.0
// With the real service, started by its command.
#include "cli/metadata_client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
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
    for (int tries = 0; tries < 500 && !unregisterPod(options_, pod_); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Options options_;
  PodId pod_ = PodId::random();
  std::optional<Child> service_;
};

TEST_F(MetadataClient, RegistersAPodWithItsApps) {
  start();
  const auto done = registerPod(options_, pod_, newMetadataToken(), kPod, {{"web", kImage}});
  EXPECT_TRUE(done.has_value()) << done.error().text();
  EXPECT_TRUE(unregisterPod(options_, pod_).has_value());
  EXPECT_TRUE(unregisterPod(options_, pod_).has_value());
}
TEST_F(MetadataClient, RegistersNothingWhenAnAppIsRefused) {
  start();
  const auto done = registerPod(options_, pod_, newMetadataToken(), kPod, {{"db", kImage}});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), "E_METADATA");
}
TEST_F(MetadataClient, SaysThatThereIsNoService) {
  const auto done = registerPod(options_, pod_, newMetadataToken(), kPod, {});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), "E_METADATA");
  EXPECT_THAT(done.error().hint(), testing::HasSubstr("metadata-service"));
}
TEST_F(MetadataClient, MakesATokenThatNobodyGuesses) {
  EXPECT_EQ(newMetadataToken().size(), 32U);
  EXPECT_NE(newMetadataToken(), newMetadataToken());
  EXPECT_EQ(metadataUrl("x"), "http://127.0.0.1:18112/x");
}

}  // namespace
}  // namespace airlock::cli
