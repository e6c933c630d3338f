// SPDX-License-Identifier: Apache-2.0
#include "sandbox/selinux.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/syscall.h"

namespace airlock::sandbox {
namespace {

TEST(SelinuxHost, TheModeIsTheKernels) {
  const bool there = std::filesystem::exists("/sys/fs/selinux/enforce");
  EXPECT_EQ(selinuxMode() != SelinuxMode::Disabled, there);
}

TEST(SelinuxHost, L02_ATypeNobodyDefinedIsNotKnown) {
  EXPECT_FALSE(isLabelKnown("system_u:system_r:airlock_no_such_t:s0"));
  EXPECT_FALSE(isLabelKnown(""));
}

TEST(SelinuxHost, ALabelThatCannotBeSetIsAFailure) {
  const auto label = FileLabel::set("system_u:object_r:airlock_no_such_t:s0");
  ASSERT_FALSE(label);
  EXPECT_EQ(label.error().code(), "E_SELINUX");
}

TEST(SelinuxHost, NoLabelChangesNothing) { EXPECT_TRUE(FileLabel::set("")); }

}  // namespace
}  // namespace airlock::sandbox
