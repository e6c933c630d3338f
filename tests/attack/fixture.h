// SPDX-License-Identifier: Apache-2.0
// An engine with one image in its store, and somebody who means it ill.  Tests only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>

#include "base/syscall.h"
#include "tests/support/engine.h"

namespace airlock::test {

class Attack : public ::testing::Test {
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

  static ipc::ImportRequest named() {
    ipc::ImportRequest request;
    request.name = ImageName::parse("example.test/tools/busybox").value();
    return request;
  }
  ImageId importGood() {
    const Reply reply = engine_->import(image_, signature_, named());
    EXPECT_EQ(reply.code(), "") << reply.text();
    return reply.as<ipc::Imported>().image;
  }
  Fd openImage() { return sys::openPath(image_, O_RDONLY).value(); }
  void expectUnchanged(const HostState& before) {
    EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
        << difference(before, engine_->state());
  }

  static inline std::unique_ptr<Scratch> files_;
  static inline std::unique_ptr<Signer> signer_;
  static inline std::string image_;
  static inline std::string signature_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace airlock::test
