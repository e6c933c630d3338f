// SPDX-License-Identifier: Apache-2.0
// fs-verity of stored trees: the kernel checks each page that it reads of such a file against a
// digest, and we compute that digest ourselves (decision 0027).  The store's owner and the tests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "ipc/measure_messages.h"
#include "ipc/records.h"

namespace airlock::store {

// The running fs-verity digest of a file: SHA-256, blocks of 4 KiB, no salt
// (Documentation/filesystems/fsverity.rst, "Merkle tree" and "fs-verity descriptor").
class VerityHash {
 public:
  void update(std::span<const std::uint8_t> bytes);
  VerityDigest finish();

 private:
  using Block = std::vector<std::uint8_t>;
  void add(std::size_t level, std::span<const std::uint8_t> bytes);

  std::uint64_t total_ = 0;
  // The block under way of the data, of their hashes, of the hashes of those, …
  std::vector<Block> levels_ = {{}};
};

// Both digests of a tree from one reading, so that they are of the same bytes.
struct TreeDigests {
  TreeDigest tree;
  VerityDigest verity;
};
Result<TreeDigests> digestsOfTree(FdRef file);

// Whether the file system that the file is on has fs-verity.
bool offersVerity(FdRef file);
// What the kernel enforces for this file; none: it enforces nothing.
std::optional<VerityDigest> measureVerity(FdRef file);
// From now on nobody can write the file, and reads of other bytes than it has now fail with EIO.
// Nobody may have it open for writing.  Refused where the kernel's digest is not `expected`
// (E_CONTENT); false: the file system cannot.
Result<bool> enableVerity(FdRef file, const VerityDigest& expected);

// What stands behind the bytes of the stored trees of an image (Store::openTrees) that is about to
// be used:
//   "verity:sha256-…"  the kernel checks each read against the digest of the record; of several
//   layers
//                      SHA-256 of their digests, the bottom one first
//   "rehash"           all of it was read and hashed just now
//   "store-trust"      nothing but the store's permissions
// `rehash` asks for the second where the first does not hold.  It is done unasked for a tree that
// had fs-verity when it was imported and now has none.  E_CONTENT: it is another tree.
Result<std::string> contentOf(const ipc::CatalogRecord& record, std::span<const Fd> trees,
                              bool rehash);
// The layer "content" of a pod of these images: it holds where the kernel checks each read of each
// of them.
ipc::Layer contentLayer(std::span<const ipc::ImageFacts> images);

}  // namespace airlock::store
