// SPDX-License-Identifier: Apache-2.0
#include "verifier/unpack.h"

#include <archive.h>
#include <archive_entry.h>
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
#include "verifier/erofs_writer.h"
#include "verifier/left_out.h"
#include "verifier/tar_gate.h"

namespace airlock::verifier {

namespace {

using Node = ErofsWriter::Node;
using Path = std::vector<std::string_view>;

struct ArchiveFree {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, ArchiveFree>;

// What libarchive's read callback gets; lives while one archive is read.
struct Source {
  TarGate gate;
  const FdRef& tar;
  std::optional<Error> error;
};

la_ssize_t readFromGate(archive* reader, void* context, const void** bytes) {
  Source& source = *static_cast<Source*>(context);
  auto next = source.gate.next(source.tar);
  if (!next) {
    source.error = std::move(next.error());
    archive_set_error(reader, EINVAL, "refused");
    return -1;
  }
  *bytes = next->data();
  return static_cast<la_ssize_t>(next->size());
}

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
  Result<void> takeEntry(archive_entry* entry, const GatedEntry& seen);
  Result<void> takeManifest(std::string_view path, const GatedEntry& seen);
  Result<void> takeRootEntry(archive_entry* entry, const GatedEntry& seen);
  Result<void> addEntry(const Path& below, archive_entry* entry, const GatedEntry& seen);
  Result<void> addLink(Node parent, std::string_view name, archive_entry* entry);
  Result<void> leaveOut(const Path& below, archive_entry* entry, const GatedEntry& seen);
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
  template <class Sink>
  Result<void> readContent(std::string_view path, std::uint64_t size, Sink sink);
  std::unexpected<Error> readerError();

  FdRef image_;
  ErofsWriter writer_;
  LeftOut leftOut_;
  std::unordered_set<Node> implicit_ = {ErofsWriter::kRoot};  // directories without an entry so far
  // Of the archive that is being read.
  Source* source_ = nullptr;
  const PathWhitelist* whitelist_ = nullptr;
  Archive reader_;
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

// Both readers of the archive must have seen the same entry; otherwise one of them was led astray.
Result<void> compareReaders(archive* reader, archive_entry* entry, const GatedEntry& seen) {
  const char* hardLink = archive_entry_hardlink(entry);
  const auto type = archive_entry_filetype(entry);
  bool same = archive_read_header_position(reader) == static_cast<la_int64_t>(seen.position) &&
              static_cast<std::uint64_t>(archive_entry_size(entry)) == seen.size &&
              (hardLink != nullptr) == (seen.type == '1');
  if (seen.type == '0') same = same && type == AE_IFREG;
  if (seen.type == '2') same = same && type == AE_IFLNK;
  if (seen.type == '5') same = same && type == AE_IFDIR;
  if (same) return {};
  const char* text = archive_entry_pathname(entry);
  const std::string_view path = text == nullptr ? "" : text;
  if (seen.type == '0' && path.ends_with('/')) {
    return refuseEntry("E_PATH", path, "a name that ends in a slash is no directory");
  }
  return refuseEntry("E_TAR", path, "its header can be read in two ways");
}

std::unexpected<Error> Unpacker::readerError() {
  if (source_->error) return fail(std::move(*source_->error));
  const char* text = archive_error_string(reader_.get());
  return refuse(ErrorKind::Invalid, "E_TAR",
                "the archive is malformed: " + quoted(text == nullptr ? "" : text),
                "make it again with GNU tar");
}

template <class Sink>
Result<void> Unpacker::readContent(std::string_view path, std::uint64_t size, Sink sink) {
  std::uint64_t done = 0;
  for (;;) {
    const void* bytes = nullptr;
    std::size_t count = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader_.get(), &bytes, &count, &offset);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK) return readerError();
    if (static_cast<std::uint64_t>(offset) != done || count > size - done) {
      return refuseEntry("E_SPARSE", path, "its content has holes");
    }
    TRY(sink(std::span(static_cast<const std::uint8_t*>(bytes), count)));
    done += count;
  }
  if (done != size) return refuseEntry("E_TRUNCATED", path, "its content ends early");
  return {};
}

Result<void> Unpacker::takeManifest(std::string_view path, const GatedEntry& seen) {
  if (manifest_) return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  if (seen.type != '0') return refuseEntry("E_MANIFEST", path, "the manifest is no regular file");
  if (seen.size > limits::kManifestBytes) {
    return refuseEntry("E_MANIFEST", path, "the manifest is larger than 1 MiB");
  }
  manifest_.emplace();
  return readContent(path, seen.size, [&](std::span<const std::uint8_t> bytes) -> Result<void> {
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

Result<void> Unpacker::takeRootEntry(archive_entry* entry, const GatedEntry& seen) {
  const std::string_view path = archive_entry_pathname(entry);
  if (seen.type == '2') return refuseEntry("E_SYMLINK", path, "rootfs is not a directory");
  if (seen.type != '5') return refuseEntry("E_LAYOUT", path, "rootfs is not a directory");
  if (std::exchange(sawRootEntry_, true)) {
    return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  }
  const Attributes attributes = TRY(attributesOf(path, entry));
  if (!whitelist_->keeps("", true) || implicit_.erase(ErofsWriter::kRoot) == 0) return {};
  return writer_.setAttributes(ErofsWriter::kRoot, attributes);
}

// The first link to a file that was left out becomes that file.
Result<void> Unpacker::addLink(Node parent, std::string_view name, archive_entry* entry) {
  const Target target =
      TRY(linkTarget(archive_entry_pathname(entry), archive_entry_hardlink(entry)));
  if (target.node) return writer_.addLink(parent, name, *target.node);
  LeftOut::File& file = leftOut_.at(target.leftOut);
  TRY(writer_.addFile(image_, parent, name, file.attributes, file.size));
  file.node = writer_.find(parent, name);
  return leftOut_.content(
      file, [&](std::span<const std::uint8_t> bytes) { return writer_.append(image_, bytes); });
}

Result<void> Unpacker::leaveOut(const Path& below, archive_entry* entry, const GatedEntry& seen) {
  const std::string_view path = archive_entry_pathname(entry);
  if (seen.type == '1') {
    const Target target = TRY(linkTarget(path, archive_entry_hardlink(entry)));
    if (target.node) {
      leftOut_.addName(joined(below), *target.node);
    } else {
      leftOut_.addName(joined(below), target.leftOut);
    }
    return {};
  }
  if (seen.type != '0') return {};
  leftOut_.add(joined(below), TRY(attributesOf(path, entry)));
  return readContent(path, seen.size,
                     [&](std::span<const std::uint8_t> bytes) { return leftOut_.append(bytes); });
}

Result<void> Unpacker::addEntry(const Path& below, archive_entry* entry, const GatedEntry& seen) {
  const std::string_view path = archive_entry_pathname(entry);
  const bool isDirectory = seen.type == '5';
  if (!whitelist_->keeps(joined(below), isDirectory)) return leaveOut(below, entry, seen);
  const auto found = TRY(parentOf(below, path));
  if (!found) return leaveOut(below, entry, seen);
  const Node parent = *found;
  const std::string_view name = below.back();
  const Node existing = writer_.find(parent, name);
  if (existing != ErofsWriter::kNone && (!isDirectory || !implicit_.contains(existing))) {
    if (!isOwn(existing)) return leaveOut(below, entry, seen);
    return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  }
  if (seen.type == '1') return addLink(parent, name, entry);
  const Attributes attributes = TRY(attributesOf(path, entry));
  if (isDirectory) {
    if (existing == ErofsWriter::kNone) {
      TRY(writer_.addDirectory(parent, name, attributes));
      return {};
    }
    implicit_.erase(existing);
    return writer_.setAttributes(existing, attributes);
  }
  if (seen.type == '2') {
    const char* text = archive_entry_symlink(entry);
    const std::string_view target = text == nullptr ? "" : text;
    if (target.empty() || target.size() > limits::kPathBytes) {
      return refuseEntry("E_SYMLINK", path,
                         "the target of the symlink is empty or longer than 4095 bytes");
    }
    return writer_.addSymlink(image_, parent, name, attributes, target);
  }
  TRY(writer_.addFile(image_, parent, name, attributes, seen.size));
  return readContent(path, seen.size, [&](std::span<const std::uint8_t> bytes) {
    return writer_.append(image_, bytes);
  });
}

Result<void> Unpacker::takeEntry(archive_entry* entry, const GatedEntry& seen) {
  const char* text = archive_entry_pathname(entry);
  const std::string_view path = text == nullptr ? "" : text;
  const Path components = TRY(componentsOf(path));
  if (seen.type != '5' && (path.ends_with('/') || path.ends_with("/."))) {
    return refuseEntry("E_PATH", path, "a name that ends in a slash is no directory");
  }
  if (components.empty()) {
    // `tar -cf image.aci .` begins with "./", the folder that manifest and rootfs were in.
    if (seen.type != '5') return refuseEntry("E_PATH", path, "the name is no name");
    if (std::exchange(sawTop_, true)) {
      return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
    }
    return {};
  }
  if (components[0] == "manifest" && components.size() == 1) return takeManifest(path, seen);
  if (components[0] != "rootfs") {
    return refuse(ErrorKind::Invalid, "E_LAYOUT",
                  "unrecognized file path in layout: " + quoted(path),
                  "an image holds the file manifest and the directory rootfs, nothing else");
  }
  sawRoot_ = true;
  const Path below(components.begin() + 1, components.end());
  if (below.empty()) return takeRootEntry(entry, seen);
  return addEntry(below, entry, seen);
}

Result<std::string> Unpacker::take(FdRef tar, const PathWhitelist& whitelist) {
  Source source{.gate = {}, .tar = tar, .error = {}};
  source_ = &source;
  whitelist_ = &whitelist;
  firstOwn_ = writer_.next();
  leftOut_.forget();
  manifest_.reset();
  sawRoot_ = sawRootEntry_ = sawTop_ = false;
  reader_.reset(archive_read_new());
  if (!reader_ || archive_read_support_format_tar(reader_.get()) != ARCHIVE_OK ||
      archive_read_support_filter_none(reader_.get()) != ARCHIVE_OK) {
    return fail(ErrorKind::Failed, "libarchive does not start");
  }
  if (archive_read_open2(reader_.get(), &source, nullptr, readFromGate, nullptr, nullptr) !=
      ARCHIVE_OK) {
    return readerError();
  }
  for (;;) {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    // A warning is a doubt about what the header means.
    if (result != ARCHIVE_OK) return readerError();
    const auto seen = source.gate.takeEntry();
    if (!seen) return refuse(ErrorKind::Invalid, "E_TAR", "the archive can be read in two ways");
    TRY(compareReaders(reader_.get(), entry, *seen));
    TRY(takeEntry(entry, *seen));
  }
  if (source.error) return readerError();
  if (source.gate.takeEntry() || !source.gate.atEnd()) {
    return refuse(ErrorKind::Invalid, "E_TAR", "the archive can be read in two ways");
  }
  reader_.reset();  // before the source that it reads from
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
