// SPDX-License-Identifier: Apache-2.0
// One engine and one trusted signer for the tests of import.  Tests only.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>

#include "tests/support/engine.h"
#include "tests/support/shell.h"

namespace airlock::test {

inline ipc::ImportRequest named(const std::string& name = "example.test/tools/busybox") {
  ipc::ImportRequest request;
  request.name = ImageName::parse(name).value();
  return request;
}

class Import : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    files_ = std::make_unique<Scratch>();
    signer_ = std::make_unique<Signer>();
    image_ = makeImage(*files_ / "good.aci");
    signature_ = signer_->sign(image_);
  }
  static void TearDownTestSuite() {
    signer_.reset();
    files_.reset();
  }
  void SetUp() override {
    AIRLOCK_NEEDS_ROOT();
    engine_ = std::make_unique<Engine>();
    engine_->trust(*signer_, "example.test/tools");
  }

  // The request is refused with this code, says what to do in one line, and nothing has changed.
  void expectRefused(const std::string& code, const std::string& image,
                     const std::optional<std::string>& signature,
                     ipc::ImportRequest request = named(), const StartOptions& options = {}) {
    const HostState before = engine_->state();
    const Reply reply = engine_->import(image, signature, std::move(request), options);
    EXPECT_EQ(reply.code(), code) << reply.text();
    EXPECT_FALSE(reply.text().empty());
    EXPECT_EQ(reply.text().find('\n'), std::string::npos) << reply.text();
    EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
        << difference(before, engine_->state());
  }
  std::string signedBy(const Signer& signer, const std::string& name,
                       const std::string& options = "") {
    const std::string copy = *files_ / name;
    must("cp " + image_ + " " + copy);
    signer.sign(copy, options);
    return copy;
  }
  // A hostile archive, signed by the trusted key: its signature is not what saves us.
  std::string hostile(const std::string& name, const std::string& python) {
    const std::string path = makeHostileImage(*files_ / name, python);
    signer_->sign(path);
    return path;
  }

  static inline std::unique_ptr<Scratch> files_;
  static inline std::unique_ptr<Signer> signer_;
  static inline std::string image_;
  static inline std::string signature_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace airlock::test
