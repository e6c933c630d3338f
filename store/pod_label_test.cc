// SPDX-License-Identifier: Apache-2.0
#include "store/pod_label.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/syscall.h"
#include "sandbox/selinux.h"
#include "store/pod_file.h"

namespace airlock::store {
namespace {

constexpr const char* kProcess = "system_u:system_r:airlock_pod_t:s0:c1,c2";

TEST(PodLabel, Stage1HasThePodsCategories) {
  EXPECT_EQ(stage1LabelOf(kProcess), "system_u:system_r:airlock_stage1_t:s0:c1,c2");
  EXPECT_EQ(stage1LabelOf("system_u:system_r:container_t:s0:c3,c4"),
            "system_u:system_r:airlock_stage1_t:s0:c3,c4");
  EXPECT_EQ(stage1LabelOf(""), "");
}

TEST(PodLabel, TheTypeIsMeasuredWithoutCategories) {
  EXPECT_EQ(typeOf(kProcess), "airlock_pod_t");
  EXPECT_EQ(typeOf(""), "");
  EXPECT_EQ(typeOf("nonsense"), "");
}

TEST(PodLabel, ThePolicyLineChoosesTypesAndRange) {
  LabelPolicy policy;
  const std::string_view words[] = {"types=container", "range=c100.c200"};
  ASSERT_TRUE(policy.read(words));
  EXPECT_TRUE(policy.containerTypes);
  EXPECT_EQ(policy.range.first, 100U);
  EXPECT_EQ(policy.range.last, 200U);
}

TEST(PodLabel, L04_ThePolicyLineTakesNoRangeOfOne) {
  for (const char* word : {"range=c1", "range=c1.c1", "range=", "types=svirt", "types", "range",
                           "type=airlock_pod_t", "c0.c5", "="}) {
    LabelPolicy policy;
    const std::string_view words[] = {word};
    EXPECT_FALSE(policy.read(words)) << word;
  }
}

TEST(PodLabel, WithoutSelinuxNothingIsLabelledAndNothingRefused) {
  if (sandbox::selinuxMode() != sandbox::SelinuxMode::Disabled)
    GTEST_SKIP() << "SELinux is enabled on this host";
  char name[] = "/tmp/airlock-podlabel-XXXXXX";
  const std::string path = ::mkdtemp(name);
  const Fd top = sys::openPath(path, O_RDONLY | O_DIRECTORY).value();
  EXPECT_TRUE(checkTypes({}));
  const PodLabel label = takeLabel(top, PodId::random(), {}).value();
  EXPECT_EQ(label.process + label.stage1 + label.files + label.image, "");
  EXPECT_FALSE(std::filesystem::exists(path + "/mcs")) << "and no pair is taken";
  EXPECT_TRUE(releaseLabel(top, PodId::random(), ""));
  const ipc::Layer layer = selinuxLayer({});
  EXPECT_FALSE(layer.enforced);
  EXPECT_EQ(layer.detail, "SELinux is not enabled on this host");
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace airlock::store
