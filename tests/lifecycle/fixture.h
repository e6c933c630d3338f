// SPDX-License-Identifier: Apache-2.0
// An engine with one image in its store, and what must hold of every store.  Tests only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <set>

#include "base/syscall.h"
#include "tests/support/engine.h"

namespace airlock::test {

class Lifecycle : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    files_ = std::make_unique<Scratch>();
    signer_ = std::make_unique<Signer>();
    image_ = makeImage(*files_ / "one.aci");
    signer_->sign(image_);
    other_ = makeImage(*files_ / "other.aci",
                       {.version = "1.36", .prepare = "echo other > rootfs/etc/other"});
    signer_->sign(other_);
  }
  static void TearDownTestSuite() {
    signer_.reset();
    files_.reset();
  }
  void SetUp() override {
    AIRLOCK_NEEDS_ROOT();
    engine_ = std::make_unique<Engine>();
    engine_->trust(*signer_);
    id_ = import(image_).as<ipc::Imported>().image;
  }

  Reply import(const std::string& image, const StartOptions& options = {}) {
    return engine_->import(image, image + ".asc", {}, options);
  }
  Reply gc() {
    return engine_->ask(ipc::CollectGarbageRequest{.graceSeconds = 0}, {}, {.deadline = 900});
  }

  PodId prepare(const std::vector<std::string>& exec) {
    ipc::RunRequest request = runRequest(*id_, exec);
    request.prepare = true;
    const Reply reply = engine_->ask(request, makeStreams().refs());
    EXPECT_EQ(reply.code(), "") << reply.text();
    return reply.as<ipc::Prepared>().pod;
  }
  ipc::RunRequest startOf(const PodId& pod, const std::vector<std::string>& exec) {
    ipc::RunRequest request = runRequest(*id_, exec);
    request.prepared = pod;
    return request;
  }
  // The registry of names stays, like the store's lock; empty but for its own lock.
  void forgetNames() {
    EXPECT_EQ(must("ls -A " + engine_->data() + "/pod-names"), ".lock\n");
    must("rm -r " + engine_->data() + "/pod-names");
  }

  // Every record has its files, with the digests that it names, and there is no other file.
  void expectValidStore() {
    std::set<std::string> wanted = {"store/lock"};
    for (const ipc::CatalogRecord& record : engine_->images()) {
      const std::string image = record.image.text();
      for (const std::string& file : {"catalog/" + image, "manifest/" + image, "signature/" + image,
                                      "name/" + store::nameKey(record.name).text() + "/" + image,
                                      "blob/" + record.blob.text(), "tree/" + record.tree.text()}) {
        wanted.insert("store/" + file);
      }
      for (const auto& [folder, digest] :
           {std::pair("tree", record.tree.text()), std::pair("blob", record.blob.text())}) {
        const std::string path = engine_->data() + "/store/" + folder + "/" + digest;
        EXPECT_EQ("blake2b-" + must("b2sum < " + path + " | cut -d' ' -f1 | tr -d '\\n'"), digest);
      }
    }
    std::set<std::string> found;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(engine_->data() + "/store")) {
      if (entry.is_regular_file())
        found.insert(entry.path().lexically_relative(engine_->data()).string());
    }
    EXPECT_EQ(found, wanted);
  }
  void expectBecomes(const HostState& wanted) {
    EXPECT_TRUE(eventually([&] { return difference(wanted, engine_->state()).empty(); }))
        << difference(wanted, engine_->state());
  }

  static inline std::unique_ptr<Scratch> files_;
  static inline std::unique_ptr<Signer> signer_;
  static inline std::string image_;
  static inline std::string other_;
  std::unique_ptr<Engine> engine_;
  std::optional<ImageId> id_;
};

}  // namespace airlock::test
