// SPDX-License-Identifier: Apache-2.0
// Writes a tree as a deterministic, uncompressed EROFS image: data as it comes, metadata at the end
// (erofs_format.h). For the role unpack; it knows no paths and no archive, and trusts its caller's
// limits only where it says so.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::verifier {

// What an inode has besides its content.
struct Attributes {
  std::uint32_t mode = 0755;  // the twelve permission bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t mtime = 0;  // seconds since 1970
  std::uint32_t mtimeNanoseconds = 0;
  std::map<std::string, std::string> userXattrs;  // by name without "user."
};

class ErofsWriter {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNone = ~Node{0};
  enum class Kind : std::uint8_t { Directory, File, Symlink, Whiteout };

  ErofsWriter();

  // The entry `name` of a directory, or kNone.
  Node find(Node directory, std::string_view name) const;
  Kind kind(Node node) const { return nodes_[node].kind; }
  const std::map<std::string, Node, std::less<>>& children(Node directory) const {
    return nodes_[directory].children;
  }
  std::uint32_t links(Node node) const { return nodes_[node].links; }
  // For a reading whose image will be thrown away: the name is free again.
  void forget(Node parent, std::string_view name) {
    nodes_[parent].children.erase(nodes_[parent].children.find(name));
  }

  // Names are valid components that the directory does not have yet: the caller has asked find().
  Result<Node> addDirectory(Node parent, std::string_view name, const Attributes& attributes);
  Result<void> setAttributes(Node directory, const Attributes& attributes);
  Result<void> addSymlink(FdRef image, Node parent, std::string_view name,
                          const Attributes& attributes, std::string_view target);
  Result<void> addLink(Node parent, std::string_view name, Node file);
  // For a layer: the name is in no layer below, and nothing of them is in the directory.
  Result<void> addWhiteout(Node parent, std::string_view name);
  void setOpaque(Node directory) { nodes_[directory].opaque = true; }
  // A regular file of `size` bytes; exactly that many must follow in append() before the next call
  // of another kind.
  Result<void> addFile(FdRef image, Node parent, std::string_view name,
                       const Attributes& attributes, std::uint64_t size);
  Result<void> append(FdRef image, std::span<const std::uint8_t> bytes);

  // The number that the next node will have: those before it have smaller ones.
  Node next() const { return static_cast<Node>(nodes_.size()); }
  // Names in the tree, without the root.
  std::uint64_t entries() const { return names_; }

  // Writes directories, inodes and the superblock.  Returns the size of the image in bytes.
  Result<std::uint64_t> finish(FdRef image) &&;

 private:
  struct Inode {
    Kind kind = Kind::Directory;
    bool inlineTail = false;
    bool opaque = false;
    std::uint16_t mode = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t mtimeNanoseconds = 0;
    std::uint64_t mtime = 0;
    std::uint64_t size = 0;
    std::uint32_t startBlock = 0;
    std::uint32_t links = 1;
    std::uint64_t nid = 0;
    Node parent = kRoot;
    std::string xattrs;  // as on disk
    std::string tail;    // the inline part of the content
    std::map<std::string, Node, std::less<>> children;
  };

  // Collects bytes for consecutive places of the image and writes them in large pieces.
  class Stream {
   public:
    Stream();
    std::uint64_t position() const { return start_ + used_; }
    Result<void> append(FdRef image, std::span<const std::uint8_t> bytes);
    Result<void> padTo(FdRef image, std::uint64_t position);
    Result<void> flush(FdRef image);

   private:
    std::vector<std::uint8_t> buffer_;
    std::size_t used_ = 0;
    std::uint64_t start_;
  };

  Result<Node> addNode(Node parent, std::string_view name, Kind kind, const Attributes& attributes);
  Result<void> setXattrs(Inode& inode, const std::map<std::string, std::string>& xattrs);
  Result<void> countName();
  static bool tailFits(const Inode& inode);
  void markOpaque();
  void placeContent(Inode& inode);
  static std::uint64_t directoryBytes(const Inode& directory);
  std::string directoryContent(Node node) const;
  void sizeDirectories();
  void numberInodes();
  Result<void> writeDirectories(FdRef image);
  Result<void> writeInodes(FdRef image, std::uint64_t metaStart);

  std::deque<Inode> nodes_;
  Stream stream_;
  std::uint64_t names_ = 0;
  std::uint64_t contentBytes_ = 0;  // of regular files and symlinks
  std::uint64_t inlineBytes_ = 0;   // of their inline tails
  std::uint64_t xattrBytes_ = 0;
  std::uint64_t blocksLeft_ = 0;  // bytes of the open file that go to blocks
  std::uint64_t tailLeft_ = 0;    // bytes of the open file that go behind its inode
};

}  // namespace airlock::verifier
