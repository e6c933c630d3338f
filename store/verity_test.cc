// SPDX-License-Identifier: Apache-2.0
#include "store/verity.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/syscall.h"

namespace airlock::store {
namespace {

class VerityTest : public testing::Test {
 protected:
  VerityTest() {
    char name[] = "/tmp/airlock-verity-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~VerityTest() override { std::filesystem::remove_all(path_); }

  Fd file(const std::string& content) const {
    std::ofstream(path_ + "/file", std::ios::binary | std::ios::trunc) << content;
    return sys::openPath(path_ + "/file", O_RDONLY).value();
  }
  // What fsverity-utils says of that file; "" where it is not installed.
  std::string fsverity() const {
    const std::string command = "fsverity digest --compact '" + path_ + "/file' 2>/dev/null";
    FILE* pipe = ::popen(command.c_str(), "re");
    std::array<char, 128> line{};
    const bool got = std::fgets(line.data(), line.size(), pipe) != nullptr;
    ::pclose(pipe);
    std::string text = got ? line.data() : "";
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  static ipc::CatalogRecord recordOf(FdRef tree) {
    return {.image = {},
            .name = ImageName::parse("example.test/app").value(),
            .labels = {},
            .tree = TreeDigest(blake2bOfFile(tree).value())};
  }
  std::string path_;
};

std::string bytesOf(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761U >> 13);
  return bytes;
}

TEST_F(VerityTest, C04_TheDigestIsTheOneOfFsverityUtils) {
  constexpr std::size_t block = 4096;
  constexpr std::size_t fan = 128;  // hashes in a block
  file("x");
  if (fsverity().empty()) GTEST_SKIP() << "needs fsverity (package fsverity)";
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, block - 1, block, block + 1, 2 * block, fan * block - 1,
        fan * block, fan * block + 1, (fan + 1) * block, fan * fan * block,
        fan * fan * block + fan * block + 17}) {
    const Fd opened = file(bytesOf(size));
    EXPECT_EQ(digestsOfTree(opened).value().verity.hex(), fsverity()) << size << " bytes";
  }
}

TEST_F(VerityTest, C04_TheDigestDoesNotDependOnHowTheBytesCome) {
  const std::string bytes = bytesOf(300'000);
  const Fd opened = file(bytes);
  VerityHash hash;
  const std::span<const std::uint8_t> all(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                          bytes.size());
  for (std::size_t at = 0, step = 1; at < all.size(); at += step, step = step * 3 % 8191 + 1)
    hash.update(all.subspan(at, std::min(step, all.size() - at)));
  const TreeDigests digests = digestsOfTree(opened).value();
  EXPECT_EQ(hash.finish().text(), digests.verity.text());
  EXPECT_EQ(digests.tree, TreeDigest(blake2bOfFile(opened).value()));
}

TEST_F(VerityTest, C04_KnownDigests) {
  // fsverity digest /dev/null, as the kernel's own tests have it.
  EXPECT_EQ(VerityHash().finish().hex(),
            "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95");
}

TEST_F(VerityTest, ATreeWithoutVerityIsTrustedOrHashed) {
  const Fd tree = file(bytesOf(10'000));
  const ipc::CatalogRecord record = recordOf(tree);
  EXPECT_EQ(contentOf(record, {&tree, 1}, false).value(), "store-trust");
  EXPECT_EQ(contentOf(record, {&tree, 1}, true).value(), "rehash");
  const Fd other = file(bytesOf(10'001));
  EXPECT_EQ(contentOf(record, {&other, 1}, true).error().code(), "E_CONTENT");
}

TEST_F(VerityTest, C04_ATreeThatLostItsVerityIsHashedUnasked) {
  const Fd tree = file(bytesOf(10'000));
  ipc::CatalogRecord record = recordOf(tree);
  record.verity = digestsOfTree(tree).value().verity;
  ASSERT_FALSE(measureVerity(tree));
  EXPECT_EQ(contentOf(record, {&tree, 1}, false).value(), "rehash");
  const Fd other = file(bytesOf(10'001));
  EXPECT_EQ(contentOf(record, {&other, 1}, false).error().code(), "E_CONTENT");
}

TEST_F(VerityTest, TheLayerContentHoldsForVerityAlone) {
  const auto image = [](const char* name, const char* content) {
    ipc::ImageFacts facts;
    facts.name = name;
    facts.content = content;
    return facts;
  };
  const ipc::ImageFacts images[] = {image("example.test/a", "verity:sha256-00"),
                                    image("example.test/b", "rehash"),
                                    image("example.test/c", "store-trust")};
  const std::span<const ipc::ImageFacts> all(images);
  EXPECT_TRUE(contentLayer(all.first(1)).enforced);
  const ipc::Layer weaker = contentLayer(all.first(2));
  EXPECT_FALSE(weaker.enforced);
  EXPECT_TRUE(weaker.detail.starts_with("example.test/b: the whole tree")) << weaker.detail;
  EXPECT_TRUE(
      contentLayer(all.subspan(2)).detail.starts_with("example.test/c: verified at import"));
}

}  // namespace
}  // namespace airlock::store
