// SPDX-License-Identifier: Apache-2.0
// The guest as its administrator and its users have it: the installed engine with its default
// directories, a signer that is trusted, busybox as an image.  Tests that run in the guest only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/images.h"
#include "tests/support/shell.h"

namespace airlock::test {

inline constexpr const char* kGuestImage = "example.test/tools/busybox:1.35";

enum class Who {
  Root,
  Alice,
  Stranger
};  // Alice (4242) is in the group airlock; the stranger (4343) is not

// Of the whole program.  Sets measurement to required, trusts a signer for everything, imports
// kGuestImage, and has the helper's socket served: by systemd where it runs, by --listen otherwise.
// What a test changes it changes back: all tests of a program share one boot.
class Guest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  void TearDown() override;  // stops and removes every pod

  static bool hasSystemd();
  // As a login of that person would run it; `script` is sh.
  static Outcome as(Who who, const std::string& script);
  // It succeeds; returns what it printed.
  static std::string done(Who who, const std::string& script);
  // Imports an image made of `options` as root.
  static void import(const ImageOptions& options);
  // Lines of the kernel's log that tell a denial by SELinux to, or of, one of our types.
  static std::vector<std::string> denials();

  static inline std::unique_ptr<Signer> signer_;
};

}  // namespace airlock::test
