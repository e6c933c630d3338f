// SPDX-License-Identifier: Apache-2.0
// A small world for the airlock command: example.test with an HTTPS server, an engine with a
// software TPM, and two people.  Tests only.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/support/engine.h"
#include "tests/support/software_tpm.h"

namespace airlock::test {

inline constexpr const char* kImage = "example.test/tools/busybox:1.35";

enum class Who { Root, Alice, Stranger };  // Alice is in the group airlock, the stranger is not

// Of the whole test program: a network namespace with loopback alone and a mount namespace where
// example.test is this machine, with the server in them.
class Site {
 public:
  Site();
  ~Site();
  const Signer& signer() const { return signer_; }
  std::string keyFile() const { return www() + "/signing-key.asc"; }
  std::string certificate() const { return scratch_ / "ca.pem"; }
  std::string fileOf(const std::string& name) const;  // of example.test/tools/NAME:1.35

 private:
  std::string www() const { return scratch_ / "www"; }
  Scratch scratch_;
  Signer signer_;
  std::optional<Child> server_;
};

class World : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  // airlock with the paths of this engine; `arguments` are shell words.
  Outcome airlock(Who who, const std::string& arguments);
  // It succeeds, and nothing is wrong on stderr.  Returns what it printed.
  std::string done(Who who, const std::string& arguments);
  // Exit code 254, one line that says `words`, and everything as before.
  void refused(Who who, const std::string& arguments, const std::string& words);
  void trust();
  void fetch(Who who);

  static inline std::unique_ptr<Site> site_;
  std::unique_ptr<SoftwareTpm> tpm_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace airlock::test
