// SPDX-License-Identifier: Apache-2.0
#include "verifier/unpack.h"

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "verifier/archive_entry.h"
#include "verifier/archive_reader.h"
#include "verifier/erofs_writer.h"
#include "verifier/left_out.h"

namespace airlock::verifier {

namespace {

using Node = ErofsWriter::Node;
using Path = std::vector<std::string_view>;

// Archives become one tree.  The first one's entries win over those of the next ones.
class Unpacker {
 public:
  // `scratch`: see LeftOut.
  Unpacker(FdRef image, std::optional<FdRef> scratch) : image_(image), leftOut_(scratch) {}

  // Reads one archive to its end; its manifest is returned.
  Result<std::string> take(FdRef tar, const PathWhitelist& whitelist);
  std::uint64_t entries() const { return writer_.entries(); }
  Result<std::uint64_t> finish() && { return std::move(writer_).finish(image_); }

 private:
  Result<void> takeEntry(const ArchiveReader::Entry& entry);
  Result<void> takeManifest(const ArchiveReader::Entry& entry);
  Result<void> takeRootEntry(const ArchiveReader::Entry& entry);
  Result<void> addEntry(const Path& below, const ArchiveReader::Entry& entry);
  Result<void> addLink(Node parent, std::string_view name, const ArchiveReader::Entry& entry);
  Result<void> leaveOut(const Path& below, const ArchiveReader::Entry& entry);
  Result<std::optional<Node>> parentOf(const Path& below, std::string_view path);
  // A file of the tree, or the number of one that was left out.
  struct Target {
    std::optional<Node> node;
    std::size_t leftOut = 0;
  };
  Result<Target> linkTarget(std::string_view path, std::string_view target);
  std::optional<Node> ownFile(const Path& below) const;
  // Of the archive that is being read, not of one before it.
  bool isOwn(Node node) const { return node >= firstOwn_; }

  FdRef image_;
  ErofsWriter writer_;
  LeftOut leftOut_;
  std::unordered_set<Node> implicit_ = {ErofsWriter::kRoot};  // directories without an entry so far
  // Of the archive that is being read.
  const PathWhitelist* whitelist_ = nullptr;
  std::unique_ptr<ArchiveReader> reader_;
  Node firstOwn_ = ErofsWriter::kRoot;
  std::optional<std::string> manifest_;
  bool sawRoot_ = false;
  bool sawRootEntry_ = false;
  bool sawTop_ = false;
};

std::string joined(const Path& below) {
  std::string path;
  for (const std::string_view name : below) {
    if (!path.empty()) path += '/';
    path += name;
  }
  return path;
}

Result<void> Unpacker::takeManifest(const ArchiveReader::Entry& entry) {
  const std::string_view path = entry.path;
  if (manifest_) return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  if (entry.seen.type != '0')
    return refuseEntry("E_MANIFEST", path, "the manifest is no regular file");
  if (entry.seen.size > limits::kManifestBytes) {
    return refuseEntry("E_MANIFEST", path, "the manifest is larger than 1 MiB");
  }
  manifest_.emplace();
  return reader_->content(entry, [&](std::span<const std::uint8_t> bytes) -> Result<void> {
    manifest_->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  });
}

// Real archives often leave out directories: they are made as 0755, root's, 1970.  None: an image
// before this one has something else in the way.
Result<std::optional<Node>> Unpacker::parentOf(const Path& below, std::string_view path) {
  Node node = ErofsWriter::kRoot;
  for (const std::string_view name : std::span(below).first(below.size() - 1)) {
    const Node next = writer_.find(node, name);
    if (next == ErofsWriter::kNone) {
      node = TRY(writer_.addDirectory(node, name, {}));
      implicit_.insert(node);
      continue;
    }
    const auto kind = writer_.kind(next);
    if (kind != ErofsWriter::Kind::Directory) {
      if (!isOwn(next)) return std::optional<Node>();
      if (kind == ErofsWriter::Kind::Symlink)
        return refuseEntry("E_SYMLINK", path, "its path goes through a symlink of the image");
      return refuseEntry("E_PATH", path, "its path goes through a file of the image");
    }
    node = next;
  }
  return std::optional(node);
}

std::optional<Node> Unpacker::ownFile(const Path& below) const {
  Node node = ErofsWriter::kRoot;
  for (const std::string_view name : below) {
    if (writer_.kind(node) != ErofsWriter::Kind::Directory) return std::nullopt;
    node = writer_.find(node, name);
    if (node == ErofsWriter::kNone) return std::nullopt;
  }
  if (writer_.kind(node) != ErofsWriter::Kind::File || !isOwn(node)) return std::nullopt;
  return node;
}

Result<Unpacker::Target> Unpacker::linkTarget(std::string_view path, std::string_view target) {
  const auto components = componentsOf(target);
  if (components && components->size() >= 2 && components->front() == "rootfs" &&
      !target.ends_with('/')) {
    const Path below(components->begin() + 1, components->end());
    if (const auto node = ownFile(below)) return Target{node};
    if (const auto file = leftOut_.find(joined(below)))
      return Target{leftOut_.at(*file).node, *file};
  }
  return refuseEntry("E_LINK", path,
                     "it is a hard link to something that is no earlier file of the image");
}

Result<void> Unpacker::takeRootEntry(const ArchiveReader::Entry& entry) {
  const std::string_view path = entry.path;
  if (entry.seen.type == '2') return refuseEntry("E_SYMLINK", path, "rootfs is not a directory");
  if (entry.seen.type != '5') return refuseEntry("E_LAYOUT", path, "rootfs is not a directory");
  if (std::exchange(sawRootEntry_, true)) {
    return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  }
  const Attributes attributes = TRY(attributesOf(path, entry.header));
  if (!whitelist_->keeps("", true) || implicit_.erase(ErofsWriter::kRoot) == 0) return {};
  return writer_.setAttributes(ErofsWriter::kRoot, attributes);
}

// The first link to a file that was left out becomes that file.
Result<void> Unpacker::addLink(Node parent, std::string_view name,
                               const ArchiveReader::Entry& entry) {
  const Target target = TRY(linkTarget(entry.path, archive_entry_hardlink(entry.header)));
  if (target.node) return writer_.addLink(parent, name, *target.node);
  LeftOut::File& file = leftOut_.at(target.leftOut);
  TRY(writer_.addFile(image_, parent, name, file.attributes, file.size));
  file.node = writer_.find(parent, name);
  return leftOut_.content(
      file, [&](std::span<const std::uint8_t> bytes) { return writer_.append(image_, bytes); });
}

Result<void> Unpacker::leaveOut(const Path& below, const ArchiveReader::Entry& entry) {
  const std::string_view path = entry.path;
  if (entry.seen.type == '1') {
    const Target target = TRY(linkTarget(path, archive_entry_hardlink(entry.header)));
    if (target.node) {
      leftOut_.addName(joined(below), *target.node);
    } else {
      leftOut_.addName(joined(below), target.leftOut);
    }
    return {};
  }
  if (entry.seen.type != '0') return {};
  leftOut_.add(joined(below), TRY(attributesOf(path, entry.header)));
  return reader_->content(
      entry, [&](std::span<const std::uint8_t> bytes) { return leftOut_.append(bytes); });
}

Result<void> Unpacker::addEntry(const Path& below, const ArchiveReader::Entry& entry) {
  const std::string_view path = entry.path;
  const bool isDirectory = entry.seen.type == '5';
  if (!whitelist_->keeps(joined(below), isDirectory)) return leaveOut(below, entry);
  const auto found = TRY(parentOf(below, path));
  if (!found) return leaveOut(below, entry);
  const Node parent = *found;
  const std::string_view name = below.back();
  const Node existing = writer_.find(parent, name);
  if (existing != ErofsWriter::kNone && (!isDirectory || !implicit_.contains(existing))) {
    if (!isOwn(existing)) return leaveOut(below, entry);
    return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  }
  if (entry.seen.type == '1') return addLink(parent, name, entry);
  const Attributes attributes = TRY(attributesOf(path, entry.header));
  if (isDirectory) {
    if (existing == ErofsWriter::kNone) {
      TRY(writer_.addDirectory(parent, name, attributes));
      return {};
    }
    implicit_.erase(existing);
    return writer_.setAttributes(existing, attributes);
  }
  if (entry.seen.type == '2') {
    const char* text = archive_entry_symlink(entry.header);
    const std::string_view target = text == nullptr ? "" : text;
    if (target.empty() || target.size() > limits::kPathBytes) {
      return refuseEntry("E_SYMLINK", path,
                         "the target of the symlink is empty or longer than 4095 bytes");
    }
    return writer_.addSymlink(image_, parent, name, attributes, target);
  }
  TRY(writer_.addFile(image_, parent, name, attributes, entry.seen.size));
  return reader_->content(
      entry, [&](std::span<const std::uint8_t> bytes) { return writer_.append(image_, bytes); });
}

Result<void> Unpacker::takeEntry(const ArchiveReader::Entry& entry) {
  const std::string_view path = entry.path;
  const Path components = TRY(componentsOf(path));
  if (entry.seen.type != '5' && (path.ends_with('/') || path.ends_with("/."))) {
    return refuseEntry("E_PATH", path, "a name that ends in a slash is no directory");
  }
  if (components.empty()) {
    // `tar -cf image.aci .` begins with "./", the folder that manifest and rootfs were in.
    if (entry.seen.type != '5') return refuseEntry("E_PATH", path, "the name is no name");
    if (std::exchange(sawTop_, true)) {
      return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
    }
    return {};
  }
  if (components[0] == "manifest" && components.size() == 1) return takeManifest(entry);
  if (components[0] != "rootfs") {
    return refuse(ErrorKind::Invalid, "E_LAYOUT",
                  "unrecognized file path in layout: " + quoted(path),
                  "an image holds the file manifest and the directory rootfs, nothing else");
  }
  sawRoot_ = true;
  const Path below(components.begin() + 1, components.end());
  if (below.empty()) return takeRootEntry(entry);
  return addEntry(below, entry);
}

Result<std::string> Unpacker::take(FdRef tar, const PathWhitelist& whitelist) {
  whitelist_ = &whitelist;
  firstOwn_ = writer_.next();
  leftOut_.forget();
  manifest_.reset();
  sawRoot_ = sawRootEntry_ = sawTop_ = false;
  reader_ = TRY(ArchiveReader::open(tar, TarOf::Aci));
  while (const auto entry = TRY(reader_->next())) TRY(takeEntry(*entry));
  reader_.reset();
  if (!manifest_)
    return refuse(ErrorKind::Invalid, "E_LAYOUT", "no image manifest found in layout");
  if (!sawRoot_) return refuse(ErrorKind::Invalid, "E_LAYOUT", "no rootfs found in layout");
  return std::move(*manifest_);
}

}  // namespace

Result<Unpacked> unpackAci(FdRef tar, FdRef image) {
  Unpacker unpacker(image, std::nullopt);
  std::string manifest = TRY(unpacker.take(tar, {}));
  const std::uint64_t entries = unpacker.entries();
  const std::uint64_t bytes = TRY(std::move(unpacker).finish());
  return Unpacked{.manifest = std::move(manifest), .entries = entries, .treeBytes = bytes};
}

Result<std::uint64_t> renderAcis(std::span<const RenderedImage> images, FdRef image,
                                 FdRef scratch) {
  Unpacker unpacker(image, scratch);
  for (const RenderedImage& each : images) TRY(unpacker.take(each.tar, each.whitelist));
  const std::uint64_t entries = unpacker.entries();
  TRY(std::move(unpacker).finish());
  return entries;
}

}  // namespace airlock::verifier
