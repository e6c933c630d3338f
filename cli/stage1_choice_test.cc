// SPDX-License-Identifier: Apache-2.0
#include "cli/stage1_choice.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace airlock::cli {
namespace {

class Stage1Choice : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/airlock-stage1-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    home_ = path;
    options_.systemConfig = home_ + "/system";
    options_.localConfig = home_ + "/local";
  }
  void TearDown() override { std::filesystem::remove_all(home_); }
  void configure(const std::string& root, const std::string& members) const {
    std::filesystem::create_directories(home_ + "/" + root + "/stage1.d");
    std::ofstream(home_ + "/" + root + "/stage1.d/default.json")
        << R"({"rktKind":"stage1","rktVersion":"v1")" << members << "}";
  }
  std::string home_;
  Options options_;
};

TEST_F(Stage1Choice, IsOursWhereNothingIsSaid) {
  EXPECT_TRUE(checkStage1(options_, {}));
  configure("local", "");
  EXPECT_TRUE(checkStage1(options_, {}));
}

TEST_F(Stage1Choice, OfTheConfigurationIsOursOrTheStartIsRefused) {
  configure("system", R"(,"name":"coreos.com/rkt/stage1-fly","version":"1.30.0")");
  const auto refused = checkStage1(options_, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), "E_STAGE1");
  EXPECT_EQ(refused.error().message(),
            "stage1 \"coreos.com/rkt/stage1-fly:1.30.0\" of the configuration is not part of this "
            "version");
  // A flag, of which only ours are taken, says otherwise for one pod; so does a later root.
  PodArguments pod;
  pod.stage1 = "stage1-name";
  EXPECT_TRUE(checkStage1(options_, pod));
  configure("local", R"(,"name":"coreos.com/rkt/stage1-coreos","version":"1.30.0")");
  EXPECT_TRUE(checkStage1(options_, {}));
}

TEST_F(Stage1Choice, ByItsLocationAlone) {
  configure("local", R"(,"location":"/usr/lib/rkt/stage1-images/stage1-kvm.aci")");
  EXPECT_FALSE(checkStage1(options_, {}));
  configure("local", R"(,"location":"file:///usr/lib/rkt/stage1-images/stage1-coreos.aci")");
  EXPECT_TRUE(checkStage1(options_, {}));
}

TEST(Stage1Name, MeansOursUnderRktsNamesToo) {
  for (const char* ours :
       {"stage1-container", "stage1-coreos", "coreos.com/rkt/stage1-coreos:1.30.0",
        "stage1-coreos.aci", "/usr/lib/rkt/stage1-images/stage1-coreos.aci",
        "https://a.b/stage1-container.aci"})
    EXPECT_TRUE(isOurStage1(ours)) << ours;
  for (const char* other : {"", "stage1-fly", "coreos.com/rkt/stage1-kvm", "sha512-0123",
                            "stage1-coreos-evil", "stage1-coreos/x"})
    EXPECT_FALSE(isOurStage1(other)) << other;
}

}  // namespace
}  // namespace airlock::cli
