// SPDX-License-Identifier: Apache-2.0
#include "store/verity.h"

#include <linux/fsverity.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace airlock::store {

namespace {

constexpr std::size_t kBlock = 4096;
constexpr unsigned kBlockBits = 12;
constexpr std::size_t kHash = VerityTag::bytes;

VerityDigest::Bytes sha256(std::span<const std::uint8_t> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace

void VerityHash::add(std::size_t level, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    // A whole block is hashed where it is; what is over waits for the rest of its block.
    const bool whole = levels_[level].empty() && bytes.size() >= kBlock;
    const std::size_t taken =
        whole ? kBlock : std::min(bytes.size(), kBlock - levels_[level].size());
    const auto piece = bytes.first(taken);
    bytes = bytes.subspan(taken);
    if (!whole) {
      levels_[level].insert(levels_[level].end(), piece.begin(), piece.end());
      if (levels_[level].size() < kBlock) return;
    }
    const auto hash = sha256(whole ? piece : std::span<const std::uint8_t>(levels_[level]));
    levels_[level].clear();
    if (level + 1 == levels_.size()) levels_.emplace_back();
    add(level + 1, hash);
  }
}

void VerityHash::update(std::span<const std::uint8_t> bytes) {
  total_ += bytes.size();
  add(0, bytes);
}

VerityDigest VerityHash::finish() {
  // Level by level the last block, filled up with zeros, until one hash is above all others.
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    const bool top = level + 1 == levels_.size();
    if (levels_[level].empty() || (top && level > 0 && levels_[level].size() == kHash)) continue;
    const Block zeros(kBlock - levels_[level].size());
    add(level, zeros);
  }
  fsverity_descriptor descriptor{};
  descriptor.version = 1;
  descriptor.hash_algorithm = FS_VERITY_HASH_ALG_SHA256;
  descriptor.log_blocksize = kBlockBits;
  descriptor.data_size = total_;  // little endian, as this machine is
  if (total_ > 0) std::ranges::copy(levels_.back(), descriptor.root_hash);
  std::array<std::uint8_t, sizeof descriptor> bytes;
  std::memcpy(bytes.data(), &descriptor, sizeof descriptor);
  return VerityDigest(sha256(bytes));
}

Result<TreeDigests> digestsOfTree(FdRef file) {
  Blake2b tree;
  VerityHash verity;
  std::vector<std::uint8_t> buffer(256 * 1024);
  for (off_t offset = 0;;) {
    const ssize_t got = ::pread(file.get(), buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failErrno("read at byte " + std::to_string(offset));
    if (got == 0) return TreeDigests{TreeDigest(tree.finish()), verity.finish()};
    const std::span<const std::uint8_t> bytes(buffer.data(), static_cast<std::size_t>(got));
    tree.update(bytes);
    verity.update(bytes);
    offset += got;
  }
}

namespace {

// The kernel's answer: 0 and a digest, or an errno.
struct Measured {
  int number = 0;
  std::optional<VerityDigest> digest;
};

Measured ask(FdRef file) {
  fsverity_digest header{};
  header.digest_size = 64;
  std::array<std::uint8_t, sizeof header + 64> answer{};  // the digest stands behind the header
  std::memcpy(answer.data(), &header, sizeof header);
  if (::ioctl(file.get(), FS_IOC_MEASURE_VERITY, answer.data()) != 0) return {errno, std::nullopt};
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.digest_algorithm != FS_VERITY_HASH_ALG_SHA256 || header.digest_size != kHash)
    return {};
  VerityDigest::Bytes digest;
  std::memcpy(digest.data(), answer.data() + sizeof header, digest.size());
  return {0, VerityDigest(digest)};
}

}  // namespace

bool offersVerity(FdRef file) {
  // Where the file system has it and the file has not, the kernel says ENODATA.
  const int number = ask(file).number;
  return number == 0 || number == ENODATA;
}

std::optional<VerityDigest> measureVerity(FdRef file) { return ask(file).digest; }

Result<bool> enableVerity(FdRef file, const VerityDigest& expected) {
  fsverity_enable_arg argument{};
  argument.version = 1;
  argument.hash_algorithm = FS_VERITY_HASH_ALG_SHA256;
  argument.block_size = kBlock;
  if (::ioctl(file.get(), FS_IOC_ENABLE_VERITY, &argument) != 0) return false;
  if (measureVerity(file) == expected) return true;
  return refuse(ErrorKind::Failed, "E_CONTENT",
                "what the file system has of the tree is not what was verified",
                "Try again; if it happens again, the disk or the memory of this host is bad");
}

namespace {

enum class Content : std::uint8_t { Verity, Rehash, StoreTrust };

Result<Content> contentOfTree(const std::string& image, const ipc::StoredTree& tree, FdRef file,
                              bool rehash) {
  const auto measured = measureVerity(file);
  const bool other = measured && tree.verity && measured != tree.verity;
  if (measured && tree.verity && !other) return Content::Verity;
  if (!other) {
    if (!rehash && !tree.verity) return Content::StoreTrust;
    const auto digest = TRY(inContext(blake2bOfFile(file), "the stored tree of " + image));
    if (TreeDigest(digest) == tree.digest) return Content::Rehash;
  }
  return refuse(ErrorKind::Denied, "E_CONTENT",
                "the stored tree of " + image + " is not the one that was imported",
                "Remove the image and fetch it again; find out who can write the store");
}

std::string verityOf(const std::vector<ipc::StoredTree>& trees) {
  if (trees.size() == 1) return trees.front().verity->text();
  Sha256 hash;
  for (auto tree = trees.rbegin(); tree != trees.rend(); ++tree) hash.update(tree->verity->bytes());
  return OciDigest(hash.finish()).text();
}

}  // namespace

// The weakest of them counts.
Result<std::string> contentOf(const ipc::CatalogRecord& record, std::span<const Fd> trees,
                              bool rehash) {
  const std::vector<ipc::StoredTree> stored = ipc::treesOf(record);
  Content weakest = Content::Verity;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    weakest =
        std::max(weakest, TRY(contentOfTree(record.name.text(), stored[i], trees[i], rehash)));
  }
  if (weakest == Content::Verity) return "verity:" + verityOf(stored);
  return std::string(weakest == Content::Rehash ? "rehash" : "store-trust");
}

ipc::Layer contentLayer(std::span<const ipc::ImageFacts> images) {
  const auto weaker = std::ranges::find_if(
      images, [](const ipc::ImageFacts& image) { return !image.content.starts_with("verity:"); });
  if (weaker == images.end())
    return {"content", true, "fs-verity: each page is verified when it is read"};
  return {"content", false,
          weaker->name + (weaker->content == "rehash"
                              ? ": the whole tree was verified before the start, not at each read"
                              : ": verified at import, not at each read: no fs-verity, or its "
                                "digest is not recorded")};
}

}  // namespace airlock::store
