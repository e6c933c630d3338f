// SPDX-License-Identifier: Apache-2.0
// The part of the EROFS on-disk format that our images use: structures, constants, the one
// checksum. For the writer and the checker of this folder; neither shares layout code with the
// other.
//
// Source: Linux Documentation/filesystems/erofs.rst and the EROFS core on-disk format document.
// Little-endian.
//
// The canonical image:
//   block 0             1,024 zero bytes, the superblock, zero bytes
//   blocks 1..          whole blocks of regular files and symlinks, in inode order, the last one of
//   each zero-padded blocks ..meta       whole blocks of directories, in inode order meta..end 64
//   zero bytes, then the inodes: 64 bytes, inline xattrs, inline tail; each starts at the next
//                       32-byte slot, or at the next block where it would cross a block boundary
//                       otherwise
// Inodes stand in order of first appearance, the root first, so a directory always precedes what is
// in it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace airlock::verifier::erofs {

static_assert(std::endian::native == std::endian::little, "images are written as the structs lie");

inline constexpr std::uint32_t kMagic = 0xE0F5E1E2;
inline constexpr std::size_t kSuperOffset = 1024;
inline constexpr std::uint8_t kBlockBits = 12;
inline constexpr std::size_t kBlockBytes = std::size_t{1} << kBlockBits;
inline constexpr std::size_t kSlotBytes =
    32;  // an inode's number is its offset in the metadata area / 32
// Not 0: readdir(3) of old C libraries takes inode number 0 for a deleted entry.
inline constexpr std::uint16_t kRootNid = 2;
inline constexpr std::uint32_t kFeatureChecksum = 1;
inline constexpr std::uint32_t kFeatureMtime = 2;
inline constexpr std::uint32_t kFeatureCompat = kFeatureChecksum | kFeatureMtime;

struct SuperBlock {
  std::uint32_t magic;
  std::uint32_t checksum;
  std::uint32_t featureCompat;
  std::uint8_t blockBits;
  std::uint8_t extraSlots;
  std::uint16_t rootNid;
  std::uint64_t inodes;
  std::uint64_t buildTime;
  std::uint32_t buildNanoseconds;
  std::uint32_t blocks;
  std::uint32_t metaBlock;
  std::uint32_t xattrBlock;
  std::uint8_t uuid[16];
  std::uint8_t volumeName[16];
  std::uint32_t featureIncompat;
  std::uint8_t reserved[44];
};
static_assert(sizeof(SuperBlock) == 128);

// The 64-byte ("extended") inode, the only one that has an mtime and 32-bit ids.
struct Inode {
  std::uint16_t format;
  std::uint16_t xattrCount;  // 0, or 1 + bytes of xattr entries / 4
  std::uint16_t mode;
  std::uint16_t reserved;
  std::uint64_t size;
  std::uint32_t startBlock;
  std::uint32_t number;  // for 32-bit stat only: 1, 2, 3 ... in order
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint64_t mtime;
  std::uint32_t mtimeNanoseconds;
  std::uint32_t links;
  std::uint8_t reserved2[16];
};
static_assert(sizeof(Inode) == 64);

inline constexpr std::uint16_t kFormatPlain = 1 | (0 << 1);  // extended inode, all data in blocks
inline constexpr std::uint16_t kFormatInline =
    1 | (2 << 1);  // the last, partial block behind the inode

struct XattrHeader {
  std::uint32_t nameFilter;
  std::uint8_t sharedCount;
  std::uint8_t reserved[7];
};
static_assert(sizeof(XattrHeader) == 12);

struct XattrEntry {
  std::uint8_t nameBytes;
  std::uint8_t nameIndex;
  std::uint16_t valueBytes;
};
static_assert(sizeof(XattrEntry) == 4);
inline constexpr std::uint8_t kXattrIndexUser = 1;
inline constexpr std::uint8_t kXattrIndexTrusted = 4;
// On a directory of a layer: what the layers below have of it is not seen (overlayfs.rst).
inline constexpr std::string_view kOpaqueName = "overlay.opaque";  // below trusted.
inline constexpr std::string_view kOpaqueValue = "y";
inline constexpr std::size_t kXattrAlign = 4;

struct Dirent {
  std::uint32_t nidLow;
  std::uint32_t nidHigh;
  std::uint16_t nameOffset;
  std::uint8_t fileType;
  std::uint8_t reserved;
};
static_assert(sizeof(Dirent) == 12);

// The only device is a layer's whiteout, 0:0: overlayfs takes it for "not here" (overlayfs.rst).
enum FileType : std::uint8_t { kRegular = 1, kDirectory = 2, kDevice = 3, kSymlink = 7 };

// CRC-32C (polynomial 0x1EDC6F41 reflected), seed ~0, not inverted at the end.
std::uint32_t crc32c(std::span<const std::uint8_t> bytes);

constexpr std::uint64_t roundUp(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace airlock::verifier::erofs
