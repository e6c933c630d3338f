// SPDX-License-Identifier: Apache-2.0
// `airlock fetch` against a registry on loopback, in a network and a mount namespace of the test's
// own.  Tests only.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/engine.h"

namespace airlock::test {

// Who calls, and with which configuration of its own.
struct Caller {
  std::string home;                  // below which store and cache are
  std::optional<Identity> identity;  // nullopt: root
  bool ownStore = false;             // no --dir
};

class Fetching : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;

  // Puts an image of that name on the server, signed by `signer` unless that is null.  The manifest
  // has the same name unless another is given.
  static void publish(const std::string& name, const Signer* signer,
                      const std::string& manifestName = "");
  // The file that was published.
  static std::string published(const std::string& name);
  static void behave(const std::string& how);
  // A file that the server has, by its path.
  static std::string served(const std::string& path);
  static std::string certificate();  // of the authority that the server's is by
  // From now on nobody gets anything without this Authorization.
  static void demand(const std::string& authorization);
  // "PATH RANGE IF-NONE-MATCH" of every request for the image of that name since this test began.
  static std::vector<std::string> requestsFor(const std::string& name);

  Caller root() const { return {engine_->scratch("root"), std::nullopt, false}; }
  Caller user(bool ownStore) const;
  Caller stranger() const;  // a user who is not in the group airlock
  // `airlock ARGUMENTS`.
  Outcome airlock(const Caller& caller, const std::string& arguments,
                  const std::vector<std::string>& environment = {}) const;
  // The same, still running; what it says goes to scratch("started").
  Child start(const Caller& caller, const std::vector<std::string>& arguments) const;
  // All files of the data directory, caches included.
  std::vector<std::string> files(const std::string& ending) const;

  // Ends with 254 and, after the lines about what it does, one line that holds all of `words`;
  // store and cache are as before.
  void expectRefused(const std::string& arguments, const std::vector<std::string>& words) const;
  // The one line of an error; a failure when there are more or none.
  static std::string errorLine(const Outcome& outcome);

  static const Signer& signer();
  std::unique_ptr<Engine> engine_;
};

inline constexpr const char* kName = "example.test/tools/busybox";
inline constexpr const char* kImage = "example.test/tools/busybox:1.35";

}  // namespace airlock::test
