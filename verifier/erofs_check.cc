// SPDX-License-Identifier: Apache-2.0
#include "verifier/erofs_check.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"
#include "verifier/erofs_format.h"

namespace airlock::verifier {

namespace {

using erofs::kBlockBytes;
constexpr std::size_t kMetadataWindow = 16 * kBlockBytes;

std::unexpected<Error> notCanonical(std::string why) {
  return refuse(ErrorKind::Invalid, "E_EROFS",
                "the tree image is not in canonical form: " + std::move(why),
                "fetch the image again");
}

// Reads an image through a window; places are bytes from its start.
class ImageReader {
 public:
  ImageReader(std::uint64_t bytes, std::size_t window) : bytes_(bytes), window_(window) {}
  std::uint64_t bytes() const { return bytes_; }

  // `count` bytes at `place`, valid until the next call.  At most one block and never beyond the
  // end.
  Result<std::span<const std::uint8_t>> at(FdRef image, std::uint64_t place, std::size_t count) {
    if (count > kBlockBytes || place > bytes_ || count > bytes_ - place) {
      return notCanonical("something points outside it");
    }
    if (place < start_ || place + count > start_ + have_) {
      start_ = place / kBlockBytes * kBlockBytes;
      have_ = TRY(sys::readAt(image, window_, start_));
      if (place + count > start_ + have_)
        return fail(ErrorKind::Failed, "the tree image changes while it is read");
    }
    return std::span(window_).subspan(place - start_, count);
  }

  template <class T>
  Result<T> structAt(FdRef image, std::uint64_t place) {
    const auto bytes = TRY(at(image, place, sizeof(T)));
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

  // Requires zero bytes from `place` up to `end`, less than two blocks.
  Result<void> zeros(FdRef image, std::uint64_t place, std::uint64_t end) {
    while (place < end) {
      const auto bytes = TRY(at(image, place, std::min<std::uint64_t>(end - place, kBlockBytes)));
      if (std::ranges::any_of(bytes, [](std::uint8_t byte) { return byte != 0; })) {
        return notCanonical("padding is not zero");
      }
      place += bytes.size();
    }
    return {};
  }

 private:
  std::uint64_t bytes_;
  std::vector<std::uint8_t> window_;
  std::uint64_t start_ = 0;
  std::size_t have_ = 0;
};

// What the second pass needs to know of an inode.
struct Node {
  std::uint64_t size;
  std::uint64_t tailPlace;  // of the inline tail, in the image
  std::uint32_t slot;       // its number, as directories name it
  std::uint32_t startBlock;
  std::uint32_t links;
  std::uint32_t seenLinks;
  std::uint32_t firstParent;
  std::uint16_t mode;
  std::uint16_t depth;
  std::uint16_t pathBytes;
  bool inlineTail;

  bool isDirectory() const { return S_ISDIR(mode); }
  std::uint64_t blocks() const {
    return inlineTail ? size / kBlockBytes : erofs::roundUp(size, kBlockBytes) / kBlockBytes;
  }
};
constexpr std::uint32_t kNobody = ~std::uint32_t{0};

// A name in a directory.
struct Entry {
  std::string name;
  std::uint64_t nid;
  std::uint8_t type;
};

class Checker {
 public:
  Checker(std::uint64_t bytes, TreeOf what)
      : what_(what), reader_(bytes, kMetadataWindow), blocks_(bytes, kBlockBytes) {}
  Result<void> run(FdRef image);

 private:
  Result<void> readSuperBlock(FdRef image);
  Result<void> readInodes(FdRef image);
  Result<std::uint64_t> placeOfInode(FdRef image, std::uint64_t after);
  Result<Node> readInode(FdRef image, std::uint64_t place);
  bool isWhiteout(const erofs::Inode& inode) const;
  Result<std::uint64_t> checkXattrs(FdRef image, std::uint64_t place, const erofs::Inode& inode);
  Result<void> checkContentPlaces(FdRef image);
  Result<void> checkBlocksOf(FdRef image, const Node& node, std::uint64_t& nextBlock);
  Result<void> checkSymlink(FdRef image, const Node& node);
  Result<void> checkDirectory(FdRef image, std::uint32_t index);
  Result<std::span<const std::uint8_t>> contentBlock(FdRef image, const Node& node,
                                                     std::uint64_t index);
  Result<void> checkEntry(std::uint32_t directory, const Entry& entry);
  Result<void> checkLinks();

  TreeOf what_;
  ImageReader reader_;  // of the metadata, which is read from front to back
  ImageReader blocks_;  // of single blocks of content, one here and one there
  std::uint64_t metaStart_ = 0;
  std::uint64_t inodeCount_ = 0;
  std::uint64_t inlineBytes_ = 0;
  std::uint64_t xattrBytes_ = 0;
  std::uint64_t names_ = 0;
  std::vector<Node> nodes_;  // in the order of the image, so sorted by slot
};

// Everything in block 0 follows from three numbers.
Result<void> Checker::readSuperBlock(FdRef image) {
  const auto seen = TRY(reader_.structAt<erofs::SuperBlock>(image, erofs::kSuperOffset));
  std::vector<std::uint8_t> block(kBlockBytes);
  erofs::SuperBlock super{};
  super.magic = erofs::kMagic;
  super.featureCompat = erofs::kFeatureCompat;
  super.blockBits = erofs::kBlockBits;
  super.rootNid = erofs::kRootNid;
  super.inodes = seen.inodes;
  super.blocks = static_cast<std::uint32_t>(reader_.bytes() / kBlockBytes);
  super.metaBlock = seen.metaBlock;
  const auto place = std::span(block).subspan(erofs::kSuperOffset);
  std::memcpy(place.data(), &super, sizeof super);
  super.checksum = erofs::crc32c(place);
  std::memcpy(place.data(), &super, sizeof super);
  if (!std::ranges::equal(block, TRY(reader_.at(image, 0, kBlockBytes)))) {
    return notCanonical("the superblock is not ours");
  }
  if (seen.inodes == 0 || seen.inodes > limits::kTreeEntries + 1) {
    return notCanonical("the number of inodes is out of range");
  }
  inodeCount_ = seen.inodes;
  metaStart_ = std::uint64_t{seen.metaBlock} * kBlockBytes;
  if (seen.metaBlock == 0 || metaStart_ >= reader_.bytes()) {
    return notCanonical("the metadata is outside the file");
  }
  return {};
}

// An inode begins at the next slot, or at the next block where it would not fit into this one.  No
// inode begins with a zero byte, so zero tells the two apart; that the second was needed is checked
// when its size is known.
Result<std::uint64_t> Checker::placeOfInode(FdRef image, std::uint64_t after) {
  const std::uint64_t slot = erofs::roundUp(after, erofs::kSlotBytes);
  TRY(reader_.zeros(image, after, slot));
  const std::uint64_t left = erofs::roundUp(slot, kBlockBytes) - slot;
  if (left == 0) return slot;
  if (left >= sizeof(erofs::Inode) && TRY(reader_.at(image, slot, 1))[0] != 0) return slot;
  TRY(reader_.zeros(image, slot, slot + left));
  return slot + left;
}

// The mark of an opaque directory, as it begins the attributes of one.
bool marksOpaque(const erofs::XattrEntry& entry, std::string_view name,
                 std::span<const std::uint8_t> value) {
  return entry.nameIndex == erofs::kXattrIndexTrusted && name == erofs::kOpaqueName &&
         std::ranges::equal(value, erofs::kOpaqueValue);
}

bool Checker::isWhiteout(const erofs::Inode& inode) const {
  return what_ == TreeOf::Layer && inode.mode == S_IFCHR && inode.size == 0 &&
         inode.startBlock == 0 && inode.xattrCount == 0 && inode.uid == 0 && inode.gid == 0 &&
         inode.mtime == 0 && inode.mtimeNanoseconds == 0;
}

// Returns the bytes that the attributes of an inode take.
Result<std::uint64_t> Checker::checkXattrs(FdRef image, std::uint64_t place,
                                           const erofs::Inode& inode) {
  if (inode.xattrCount == 0) return 0;
  const std::size_t entryBytes = (std::size_t{inode.xattrCount} - 1) * erofs::kXattrAlign;
  const bool mayBeOpaque = what_ == TreeOf::Layer && S_ISDIR(inode.mode);
  std::size_t most = limits::kXattrBytes;  // of the image's own
  if (entryBytes == 0 || entryBytes > kBlockBytes)
    return notCanonical("an inode has malformed attributes");
  TRY(reader_.zeros(image, place, place + sizeof(erofs::XattrHeader)));
  const auto area = TRY(reader_.at(image, place + sizeof(erofs::XattrHeader), entryBytes));
  std::string_view previous;
  std::size_t number = 0;
  for (std::size_t at = 0; at < area.size();) {
    erofs::XattrEntry entry;
    if (area.size() - at < sizeof entry) return notCanonical("an attribute is cut off");
    std::memcpy(&entry, area.data() + at, sizeof entry);
    const std::size_t used = sizeof entry + entry.nameBytes + entry.valueBytes;
    const std::size_t whole = erofs::roundUp(used, erofs::kXattrAlign);
    if (whole > area.size() - at) return notCanonical("an attribute is cut off");
    const std::string_view name(reinterpret_cast<const char*>(area.data() + at + sizeof entry),
                                entry.nameBytes);
    const auto padding = area.subspan(at + used, whole - used);
    const auto value = area.subspan(at + sizeof entry + entry.nameBytes, entry.valueBytes);
    if (mayBeOpaque && at == 0 && marksOpaque(entry, name, value) &&
        std::ranges::none_of(padding, [](std::uint8_t byte) { return byte != 0; })) {
      most += whole;
      at += whole;
      continue;
    }
    if (entry.nameIndex != erofs::kXattrIndexUser || name <= previous || name.contains('\0') ||
        name.starts_with("overlay.") ||
        std::ranges::any_of(padding, [](std::uint8_t byte) { return byte != 0; })) {
      return notCanonical("an attribute is not one of ours");
    }
    previous = name;
    at += whole;
    ++number;
  }
  if (entryBytes > most) return notCanonical("an inode has malformed attributes");
  const std::uint64_t bytes = sizeof(erofs::XattrHeader) + entryBytes;
  xattrBytes_ += bytes;
  if (number > limits::kXattrsPerFile || xattrBytes_ > limits::kTreeXattrBytes) {
    return notCanonical("there are too many attributes");
  }
  return bytes;
}

Result<Node> Checker::readInode(FdRef image, std::uint64_t place) {
  const auto seen = TRY(reader_.structAt<erofs::Inode>(image, place));
  // Reading the inode into fields and writing them back covers every reserved bit.
  erofs::Inode expected{};
  expected.format = seen.format;
  expected.xattrCount = seen.xattrCount;
  expected.mode = seen.mode;
  expected.size = seen.size;
  expected.startBlock = seen.startBlock;
  expected.number = static_cast<std::uint32_t>(nodes_.size() + 1);
  expected.uid = seen.uid;
  expected.gid = seen.gid;
  expected.mtime = seen.mtime;
  expected.mtimeNanoseconds = seen.mtimeNanoseconds;
  expected.links = seen.links;
  const bool known =
      S_ISDIR(seen.mode) || S_ISREG(seen.mode) || seen.mode == (S_IFLNK | 0777) || isWhiteout(seen);
  const bool formatKnown =
      seen.format == erofs::kFormatPlain || seen.format == erofs::kFormatInline;
  if (std::memcmp(&seen, &expected, sizeof seen) != 0 || !known || !formatKnown ||
      seen.uid > limits::kImageIdMax || seen.gid > limits::kImageIdMax ||
      seen.mtime > limits::kTimeMax || seen.mtimeNanoseconds > 999'999'999 ||
      seen.size > limits::kTreeBytes) {
    return notCanonical("an inode has a field out of range");
  }
  const std::uint64_t xattrs = TRY(checkXattrs(image, place + sizeof seen, seen));
  const std::uint64_t tail = seen.size % kBlockBytes;
  bool inlineTail = tail != 0 && sizeof seen + xattrs + tail <= kBlockBytes;
  if (!S_ISDIR(seen.mode)) {
    inlineTail = inlineTail && inlineBytes_ + tail <= limits::kTreeInlineBytes;
    if (inlineTail) inlineBytes_ += tail;
  }
  if (inlineTail != (seen.format == erofs::kFormatInline)) {
    return notCanonical("the end of some content is in the wrong place");
  }
  return Node{.size = seen.size,
              .tailPlace = place + sizeof seen + xattrs,
              .slot = static_cast<std::uint32_t>((place - metaStart_) / erofs::kSlotBytes),
              .startBlock = seen.startBlock,
              .links = seen.links,
              .seenLinks = 0,
              .firstParent = kNobody,
              .mode = seen.mode,
              .depth = 0,
              .pathBytes = 0,
              .inlineTail = inlineTail};
}

Result<void> Checker::readInodes(FdRef image) {
  std::uint64_t end = metaStart_ + std::uint64_t{erofs::kRootNid} * erofs::kSlotBytes;
  TRY(reader_.zeros(image, metaStart_, end));
  for (std::uint64_t i = 0; i < inodeCount_; ++i) {
    const std::uint64_t place = TRY(placeOfInode(image, end));
    const Node node = TRY(readInode(image, place));
    const std::uint64_t tail = node.inlineTail ? node.size % kBlockBytes : 0;
    const std::uint64_t bytes = node.tailPlace - place + tail;
    const std::uint64_t slot = erofs::roundUp(end, erofs::kSlotBytes);
    const bool crosses = place % kBlockBytes + bytes > kBlockBytes;
    const bool movedForNothing = place != slot && slot % kBlockBytes + bytes <= kBlockBytes;
    if (crosses || movedForNothing) return notCanonical("an inode is in the wrong place");
    end = place + bytes;
    nodes_.push_back(node);
  }
  if (end > reader_.bytes() || erofs::roundUp(end, kBlockBytes) != reader_.bytes()) {
    return notCanonical("something follows the last inode");
  }
  return reader_.zeros(image, end, reader_.bytes());
}

Result<void> Checker::checkBlocksOf(FdRef image, const Node& node, std::uint64_t& nextBlock) {
  if (node.startBlock != (node.blocks() != 0 ? nextBlock : 0)) {
    return notCanonical("some content does not follow the content before it");
  }
  nextBlock += node.blocks();
  if (nextBlock > metaStart_ / kBlockBytes)
    return notCanonical("some content reaches into the metadata");
  if (node.inlineTail) return {};
  const std::uint64_t start = std::uint64_t{node.startBlock} * kBlockBytes;
  return blocks_.zeros(image, start + node.size, start + node.blocks() * kBlockBytes);
}

// Content of files and links, then of directories: without a gap from block 1 to the metadata.
Result<void> Checker::checkContentPlaces(FdRef image) {
  std::uint64_t nextBlock = 1;
  for (const bool directories : {false, true}) {
    for (const Node& node : nodes_) {
      if (node.isDirectory() == directories) TRY(checkBlocksOf(image, node, nextBlock));
    }
  }
  if (nextBlock * kBlockBytes != metaStart_)
    return notCanonical("there is a gap before the metadata");
  return {};
}

Result<void> Checker::checkSymlink(FdRef image, const Node& node) {
  if (node.size == 0 || node.size > limits::kPathBytes) {
    return notCanonical("a symlink has no possible length");
  }
  const auto target = TRY(contentBlock(image, node, 0));
  if (std::ranges::find(target, 0) != target.end()) return notCanonical("a symlink has a NUL byte");
  return {};
}

// Block number `index` of the content, or what the content has of it.
Result<std::span<const std::uint8_t>> Checker::contentBlock(FdRef image, const Node& node,
                                                            std::uint64_t index) {
  const std::size_t count = std::min<std::uint64_t>(node.size - index * kBlockBytes, kBlockBytes);
  if (node.inlineTail && index == node.blocks()) return reader_.at(image, node.tailPlace, count);
  return blocks_.at(image, (node.startBlock + index) * kBlockBytes, count);
}

Result<void> Checker::checkEntry(std::uint32_t directory, const Entry& entry) {
  const auto& [name, nid, type] = entry;
  const auto found = std::ranges::lower_bound(
      nodes_, nid, {}, [](const Node& node) { return std::uint64_t{node.slot}; });
  if (found == nodes_.end() || found->slot != nid) return notCanonical("a name points to no inode");
  const std::uint32_t index = static_cast<std::uint32_t>(found - nodes_.begin());
  const Node& parent = nodes_[directory];
  if (name == ".") {
    if (index != directory || type != erofs::kDirectory)
      return notCanonical("a \".\" points elsewhere");
    return {};
  }
  if (name == "..") {
    const std::uint32_t above = directory == 0 ? 0 : parent.firstParent;
    if (index != above || type != erofs::kDirectory)
      return notCanonical("a \"..\" points elsewhere");
    return {};
  }
  const bool typeFits = (S_ISDIR(found->mode) && type == erofs::kDirectory) ||
                        (S_ISREG(found->mode) && type == erofs::kRegular) ||
                        (S_ISLNK(found->mode) && type == erofs::kSymlink) ||
                        (S_ISCHR(found->mode) && type == erofs::kDevice);
  const std::size_t pathBytes = parent.pathBytes + name.size() + (directory == 0 ? 0 : 1);
  if (!typeFits || parent.depth >= limits::kTreeDepth || pathBytes > limits::kPathBytes ||
      ++names_ > limits::kTreeEntries) {
    return notCanonical("a name has the wrong type or is too deep");
  }
  ++found->seenLinks;
  if (found->firstParent == kNobody) {
    // A directory stands before what it holds: so there are no cycles, and all hang from the root.
    if (directory >= index) return notCanonical("an inode stands before its directory");
    found->firstParent = directory;
    found->depth = static_cast<std::uint16_t>(parent.depth + 1);
    found->pathBytes = static_cast<std::uint16_t>(pathBytes);
  } else if (!S_ISREG(found->mode)) {
    return notCanonical("something other than a file has two names");
  }
  return {};
}

// One block of a directory: entries, then their names without a gap; the last name of a block that
// is not the last ends at a NUL or at the end of the block.
Result<std::vector<Entry>> entriesOf(std::span<const std::uint8_t> block, bool last) {
  const auto direntAt = [&](std::size_t i) {
    erofs::Dirent dirent;
    std::memcpy(&dirent, block.data() + i * sizeof dirent, sizeof dirent);
    return dirent;
  };
  if (block.size() < sizeof(erofs::Dirent)) return notCanonical("a directory is cut off");
  std::size_t begin = direntAt(0).nameOffset;
  const std::size_t count = begin / sizeof(erofs::Dirent);
  if (count == 0 || begin != count * sizeof(erofs::Dirent) || begin > block.size()) {
    return notCanonical("a directory block is malformed");
  }
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const erofs::Dirent dirent = direntAt(i);
    std::size_t end = block.size();
    if (i + 1 < count) {
      end = direntAt(i + 1).nameOffset;
    } else if (!last) {
      const auto rest = block.subspan(begin);
      end = begin + static_cast<std::size_t>(std::ranges::find(rest, 0) - rest.begin());
    }
    if (dirent.nameOffset != begin || dirent.reserved != 0 || end <= begin || end > block.size() ||
        end - begin > limits::kNameBytes) {
      return notCanonical("a name is in the wrong place");
    }
    const std::string_view name(reinterpret_cast<const char*>(block.data() + begin), end - begin);
    if (name.contains('\0') || name.contains('/')) return notCanonical("a name is not valid");
    entries.push_back({.name = std::string(name),
                       .nid = std::uint64_t{dirent.nidHigh} << 32 | dirent.nidLow,
                       .type = dirent.fileType});
    begin = end;
  }
  if (std::ranges::any_of(block.subspan(begin), [](std::uint8_t byte) { return byte != 0; })) {
    return notCanonical("padding is not zero");
  }
  return entries;
}

Result<void> Checker::checkDirectory(FdRef image, std::uint32_t index) {
  const Node directory = nodes_[index];
  std::string previous;
  std::size_t used = kBlockBytes;  // of the block before
  std::uint32_t directories = 0;
  int dots = 0;
  for (std::uint64_t at = 0; at * kBlockBytes < directory.size; ++at) {
    const bool last = (at + 1) * kBlockBytes >= directory.size;
    const auto block = TRY(contentBlock(image, directory, at));
    const auto entries = TRY(entriesOf(block, last));
    if (used + sizeof(erofs::Dirent) + entries.front().name.size() <= kBlockBytes) {
      return notCanonical("a directory block is not full");
    }
    used = 0;
    for (const Entry& entry : entries) {
      if (entry.name <= previous) return notCanonical("names are not sorted");
      TRY(checkEntry(index, entry));
      if (entry.type == erofs::kDirectory) ++directories;
      if (entry.name == "." || entry.name == "..") ++dots;
      used += sizeof(erofs::Dirent) + entry.name.size();
      previous = entry.name;
    }
  }
  // A directory is linked from above, from its "." and from the ".." of each directory in it; the
  // root's ".." is its own.
  if (dots != 2 || directory.links != directories) {
    return notCanonical("a directory has the wrong number of links");
  }
  return {};
}

Result<void> Checker::checkLinks() {
  for (const Node& node : std::span(nodes_).subspan(1)) {
    if (node.firstParent == kNobody) return notCanonical("an inode has no name");
    if (!node.isDirectory() && node.links != node.seenLinks)
      return notCanonical("an inode has a wrong number of links");
  }
  return {};
}

Result<void> Checker::run(FdRef image) {
  TRY(readSuperBlock(image));
  TRY(readInodes(image));
  TRY(checkContentPlaces(image));
  if (!nodes_[0].isDirectory()) return notCanonical("the root is no directory");
  nodes_[0].firstParent = 0;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].isDirectory()) {
      // The names of its parent came first, or it has none.
      if (nodes_[i].firstParent == kNobody) return notCanonical("a directory has no name");
      TRY(checkDirectory(image, i));
    } else if (S_ISLNK(nodes_[i].mode)) {
      TRY(checkSymlink(image, nodes_[i]));
    }
  }
  return checkLinks();
}

}  // namespace

Result<void> checkTree(FdRef image, TreeOf what) {
  const struct stat status = TRY(sys::status(image));
  const std::uint64_t bytes = static_cast<std::uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || bytes % kBlockBytes != 0 || bytes < 2 * kBlockBytes ||
      bytes > 2 * limits::kTreeBytes) {
    return notCanonical("its size is not possible");
  }
  return Checker(bytes, what).run(image);
}

}  // namespace airlock::verifier
