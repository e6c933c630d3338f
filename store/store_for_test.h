// SPDX-License-Identifier: Apache-2.0
// A store of a test's own, and images for it that need no import.  For the tests of this folder.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/syscall.h"
#include "store/store.h"

namespace airlock::store {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    char name[] = "/tmp/airlock-store-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~StoreTest() override { fs::remove_all(path_); }

  Store open() const { return Store::openForWriting(path_).value(); }

  static Fd file(const Store& store, const char* folder, const std::string& content) {
    Fd dir = store.folder(folder).value();
    Fd fd = sys::openTemporary(dir, 0600).value();
    EXPECT_TRUE(sys::writeAll(fd, content));
    return fd;
  }
  // An image whose tree content is `tree`; two images may share it.
  static Store::Staged staged(const Store& store, const std::string& imageName,
                              const std::string& version, const std::string& tree) {
    const auto hash = [](const std::string& text) {
      Blake2b state;
      state.update({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
      return state.finish();
    };
    ipc::CatalogRecord record{.image = AciId(digestOf(imageName + version).bytes()),
                              .name = ImageName::parse(imageName).value(),
                              .labels = {{"version", version}, {"os", "linux"}},
                              .tree = TreeDigest(hash(tree)),
                              .treeBytes = tree.size(),
                              .blob = BlobDigest(hash(imageName + version)),
                              .manifest = digestOf(std::string_view("{}")),
                              .importedAt = static_cast<std::int64_t>(tree.size())};
    Store::Staged staged{.record = record, .files = {}, .signature = std::nullopt};
    staged.files.push_back(
        {"blob", blobName(record.blob), file(store, "blob", imageName + version)});
    staged.files.push_back({"tree", treeName(record.tree), file(store, "tree", tree)});
    staged.files.push_back({"manifest", catalogName(record.image), file(store, "manifest", "{}")});
    return staged;
  }
  std::size_t count(const char* folder) const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path_ + "/store/" + folder), {}));
  }
  std::string path_;
};

}  // namespace airlock::store
