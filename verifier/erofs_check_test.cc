// SPDX-License-Identifier: Apache-2.0
#include "verifier/erofs_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "verifier/erofs_format.h"
#include "verifier/tree_test_support.h"

namespace airlock::verifier {
namespace {

using testing::paxRecord;
using testing::resigned;
using testing::TarBuilder;

std::string smallImage() {
  const auto unpacking = testing::unpack(TarBuilder::image()
                                             .directory("rootfs/bin")
                                             .file("rootfs/bin/sh", std::string(5000, 'a'))
                                             .hardLink("rootfs/bin/ash", "rootfs/bin/sh")
                                             .pax(paxRecord("SCHILY.xattr.user.origin", "there"))
                                             .file("rootfs/bin/full", std::string(4090, 'b'))
                                             .symlink("rootfs/lib", "usr/lib")
                                             .file("rootfs/!first", "")
                                             .whole());
  return testing::contentOf(unpacking.image);
}

bool accepts(const std::string& image) { return checkTree(testing::memoryFile(image)).has_value(); }

std::size_t metaStart(const std::string& image) {
  std::uint32_t block;
  std::memcpy(&block, image.data() + erofs::kSuperOffset + offsetof(erofs::SuperBlock, metaBlock),
              sizeof block);
  return block * erofs::kBlockBytes;
}

TEST(CheckTree, AcceptsWhatTheWriterWrites) { EXPECT_TRUE(accepts(smallImage())); }

// A flipped bit is refused, or it makes another tree that the writer could have written as well:
// other content, owner, mode, time, or another byte in a name or a link.  Nothing else may differ.
TEST(CheckTree, EveryFlippedByteIsRefusedOrIsContent) {
  const std::string image = smallImage();
  const int fd = testing::memoryFile(image).release();
  const Fd file = Fd::own(fd);
  const std::size_t meta = metaStart(image);
  ASSERT_EQ(image.size() - meta, erofs::kBlockBytes);
  std::size_t acceptedFlips = 0;
  for (std::size_t at = 0; at < image.size(); ++at) {
    if (at >= erofs::kBlockBytes && at < erofs::kBlockBytes + 4096)
      continue;  // the first block of bin/sh
    for (const int bit : {0x01, 0x80}) {
      const char changed = static_cast<char>(image[at] ^ bit);
      ASSERT_EQ(::pwrite(fd, &changed, 1, static_cast<off_t>(at)), 1);
      const bool accepted = checkTree(file).has_value();
      if (accepted) ++acceptedFlips;
      if (at < erofs::kBlockBytes) {
        EXPECT_FALSE(accepted) << "in the superblock's block, at " << at;
      }
      if (at >= 2 * erofs::kBlockBytes + 4090 && at < meta) {
        EXPECT_FALSE(accepted) << "in padding, at " << at;
      }
    }
    ASSERT_EQ(::pwrite(fd, &image[at], 1, static_cast<off_t>(at)), 1);
  }
  EXPECT_TRUE(checkTree(file));
  // bin/full in its block, and the metadata that carries meaning by itself.
  EXPECT_LT(acceptedFlips, 2 * (4090 + 904 + 320));
}

TEST(CheckTree, EveryReservedByteOfAnInodeIsCovered) {
  const std::string image = smallImage();
  const std::size_t root = metaStart(image) + erofs::kRootNid * erofs::kSlotBytes;
  for (std::size_t at = 0; at < sizeof(erofs::Inode); ++at) {
    std::string changed = image;
    changed[root + at] = static_cast<char>(changed[root + at] ^ 0x40);
    const bool free = (at >= 4 && at < 6) || (at >= 24 && at < 26) || (at >= 28 && at < 30) ||
                      (at >= 32 && at < 37) || (at >= 40 && at < 44);  // mode, ids, time
    if (!free) {
      EXPECT_FALSE(accepts(changed)) << at;
    }
  }
}

TEST(CheckTree, TruncatedAndExtendedImages) {
  const std::string image = smallImage();
  for (std::size_t size = 0; size < image.size(); size += 512)
    EXPECT_FALSE(accepts(image.substr(0, size))) << size;
  EXPECT_FALSE(accepts(image + std::string(1, '\0')));
  EXPECT_FALSE(accepts(image + std::string(4096, '\0')));
  std::string longer = image + std::string(4096, '\0');
  ++longer[erofs::kSuperOffset + offsetof(erofs::SuperBlock, blocks)];
  EXPECT_FALSE(accepts(resigned(longer)));
}

TEST(CheckTree, ShuffledBlocks) {
  const std::string image = smallImage();
  for (std::size_t a = 0; a < image.size(); a += 4096) {
    for (std::size_t b = a + 4096; b < image.size(); b += 4096) {
      std::string shuffled = image;
      shuffled.replace(a, 4096, image.substr(b, 4096));
      shuffled.replace(b, 4096, image.substr(a, 4096));
      EXPECT_FALSE(accepts(shuffled)) << a << " " << b;
    }
  }
}

TEST(CheckTree, SuperblockFieldsWithARightChecksum) {
  const std::string image = smallImage();
  ASSERT_TRUE(accepts(resigned(image)));
  for (std::size_t at = erofs::kSuperOffset; at < erofs::kBlockBytes; ++at) {
    if (at >= erofs::kSuperOffset + 4 && at < erofs::kSuperOffset + 8) continue;
    std::string changed = image;
    ++changed[at];
    EXPECT_FALSE(accepts(resigned(changed))) << at;
  }
}

TEST(CheckTree, ImagesOfMkfsAreNotOurs) {
  EXPECT_FALSE(accepts(std::string(8192, '\0')));
  EXPECT_FALSE(accepts(std::string(8192, '\xff')));
}

// Two directories that hold each other, off the root, and a second name for a directory.
TEST(CheckTree, CyclesAndSecondNamesOfDirectories) {
  const auto unpacking = testing::unpack(TarBuilder::image()
                                             .directory("rootfs/a")
                                             .directory("rootfs/a/x")
                                             .directory("rootfs/b")
                                             .directory("rootfs/b/y")
                                             .whole());
  const std::string image = testing::contentOf(unpacking.image);
  ASSERT_TRUE(accepts(image));
  // Every nid of every entry replaced by every other nid.
  const std::size_t meta = metaStart(image);
  std::size_t tried = 0;
  for (std::size_t at = meta; at + sizeof(erofs::Dirent) < image.size(); at += 1) {
    erofs::Dirent dirent;
    std::memcpy(&dirent, image.data() + at, sizeof dirent);
    if (dirent.fileType != erofs::kDirectory || dirent.nidHigh != 0 || dirent.nidLow < 2 ||
        dirent.nidLow > 60)
      continue;
    for (std::uint32_t nid = 2; nid < 40; ++nid) {
      if (nid == dirent.nidLow) continue;
      std::string changed = image;
      std::memcpy(changed.data() + at, &nid, sizeof nid);
      EXPECT_FALSE(accepts(changed)) << at << " " << nid;
      ++tried;
    }
  }
  EXPECT_GT(tried, 300u);
}

}  // namespace
}  // namespace airlock::verifier
