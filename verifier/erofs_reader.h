// SPDX-License-Identifier: Apache-2.0
// Reads an EROFS image as our writer makes it (erofs_format.h).  For the roles extract and unpack.
//
// The image must have passed checkTree: what its checks exclude is E_EROFS here, never read past.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/limits.h"
#include "base/result.h"
#include "verifier/erofs_format.h"
#include "verifier/erofs_writer.h"

namespace airlock::verifier {

class ErofsReader {
 public:
  using Nid = std::uint64_t;
  // The descriptor stays the caller's and must outlive the reader.
  static Result<ErofsReader> open(FdRef image);

  Nid root() const { return root_; }
  Result<erofs::Inode> inode(Nid nid) const;
  struct Name {
    std::string name;
    Nid nid;
  };
  // What is in a directory, sorted, without "." and "..".
  Result<std::vector<Name>> names(const erofs::Inode& directory, Nid nid) const;
  Result<std::string> target(const erofs::Inode& symlink, Nid nid) const;
  Result<bool> isOpaque(const erofs::Inode& directory, Nid nid) const;
  // Mode, owner, time and user.* attributes.
  Result<Attributes> attributes(const erofs::Inode& inode, Nid nid) const;

  // Hands the content to `use` in pieces: whole blocks first, then the tail, which may lie behind
  // the inode.
  template <class Use>
  Result<void> content(const erofs::Inode& inode, Nid nid, Use use) const {
    const std::uint64_t tail =
        inode.format == erofs::kFormatInline ? inode.size % erofs::kBlockBytes : 0;
    const std::uint64_t start = std::uint64_t{inode.startBlock} * erofs::kBlockBytes;
    std::vector<std::uint8_t> buffer(limits::kInflateBuffer);
    for (std::uint64_t done = 0; done < inode.size - tail;) {
      const auto piece =
          std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), inode.size - tail - done));
      TRY(read(piece, start + done));
      TRY(use(std::span<const std::uint8_t>(piece)));
      done += piece.size();
    }
    if (tail == 0) return {};
    const auto piece = std::span(buffer).first(tail);
    TRY(read(piece, placeOf(nid) + sizeof inode + xattrBytes(inode)));
    return use(std::span<const std::uint8_t>(piece));
  }

 private:
  explicit ErofsReader(FdRef image) : image_(image) {}
  Result<void> read(std::span<std::uint8_t> bytes, std::uint64_t offset) const;
  Result<std::string> text(const erofs::Inode& inode, Nid nid) const;
  struct Xattr {
    erofs::XattrEntry entry;
    std::string name;
    std::string value;
  };
  Result<std::vector<Xattr>> xattrs(const erofs::Inode& inode, Nid nid) const;
  std::uint64_t placeOf(Nid nid) const { return metaStart_ + nid * erofs::kSlotBytes; }
  static std::uint64_t xattrBytes(const erofs::Inode& inode);

  FdRef image_;
  std::uint64_t metaStart_ = 0;
  Nid root_ = 0;
};

}  // namespace airlock::verifier
