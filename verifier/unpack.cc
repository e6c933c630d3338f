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
#include "verifier/erofs_writer.h"
#include "verifier/tar_gate.h"

namespace airlock::verifier {

namespace {

using Node = ErofsWriter::Node;
using Path = std::vector<std::string_view>;

struct ArchiveFree {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, ArchiveFree>;

std::unexpected<Error> refuseEntry(std::string_view code, std::string_view path,
                                   std::string_view why,
                                   std::string hint = "repair the image and sign it again") {
  return refuse(ErrorKind::Invalid, code, "archive entry " + quoted(path) + ": " + std::string(why),
                std::move(hint));
}

// What libarchive's read callback gets; lives for one call of unpackAci.
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

class Unpacker {
 public:
  explicit Unpacker(Source& source) : source_(source) {}
  Result<Unpacked> run(FdRef image);

 private:
  Result<void> takeEntry(FdRef image, archive_entry* entry, const GatedEntry& seen);
  Result<void> takeManifest(std::string_view path, const GatedEntry& seen);
  Result<void> takeRootEntry(archive_entry* entry, const GatedEntry& seen);
  Result<void> addEntry(FdRef image, Node parent, std::string_view name, archive_entry* entry,
                        const GatedEntry& seen);
  Result<Node> parentOf(const Path& below, std::string_view path);
  Result<Node> linkTarget(std::string_view path, std::string_view target) const;
  Result<Node> existingDirectory(Node node, std::string_view path) const;
  template <class Sink>
  Result<void> readContent(std::string_view path, std::uint64_t size, Sink sink);
  std::unexpected<Error> readerError();

  Source& source_;
  Archive reader_;
  ErofsWriter writer_;
  std::unordered_set<Node> implicit_ = {ErofsWriter::kRoot};  // directories without an entry so far
  std::optional<std::string> manifest_;
  bool sawRoot_ = false;
  bool sawTop_ = false;
};

// "./a//b/" is a, b.  Fails on what no path in an image may be.
Result<Path> componentsOf(const std::string_view whole) {
  std::string_view path = whole;
  if (path.empty()) return refuseEntry("E_PATH", path, "the name is empty");
  if (path.starts_with('/')) return refuseEntry("E_PATH", path, "the name is absolute");
  Path components;
  std::size_t bytes = 0;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return refuseEntry("E_PATH", whole, "the name has a \"..\" in it");
    if (name.size() > limits::kNameBytes) {
      return refuseEntry("E_PATH", whole, "the name is longer than 255 bytes");
    }
    bytes += name.size() + 1;
    components.push_back(name);
  }
  // The first component is rootfs or manifest and is in no path of the tree.
  if (components.size() > limits::kTreeDepth + 1) {
    return refuseEntry("E_DEPTH", whole, "the path has more than 255 components");
  }
  if (!components.empty() && bytes - components[0].size() - 1 > limits::kPathBytes + 1) {
    return refuseEntry("E_PATH", whole, "the path is longer than 4095 bytes");
  }
  return components;
}

Result<void> addXattrs(std::string_view path, archive_entry* entry, Attributes& attributes) {
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    const std::string_view full = name == nullptr ? "" : name;
    constexpr std::string_view kUser = "user.";
    if (!full.starts_with(kUser) || full.size() == kUser.size() ||
        full.starts_with("user.overlay.")) {
      return refuseEntry("E_XATTR", path, "it has the extended attribute " + quoted(full),
                         "only user.* attributes, without user.overlay.*, may be in an image");
    }
    if (size > limits::kXattrBytes || full.size() - kUser.size() > limits::kNameBytes) {
      return refuseEntry("E_LIMIT", path, "an extended attribute is too large");
    }
    std::string text(static_cast<const char*>(value), size);
    const auto [place, added] = attributes.userXattrs.emplace(full.substr(kUser.size()), text);
    // bsdtar writes each attribute in two notations.
    if (!added && place->second != text) {
      return refuseEntry("E_XATTR", path, "it has the attribute " + quoted(full) + " twice");
    }
    if (attributes.userXattrs.size() > limits::kXattrsPerFile) {
      return refuseEntry("E_LIMIT", path, "it has too many extended attributes");
    }
  }
  return {};
}

Result<Attributes> attributesOf(std::string_view path, archive_entry* entry) {
  const auto uid = archive_entry_uid(entry);
  const auto gid = archive_entry_gid(entry);
  if (uid < 0 || uid > limits::kImageIdMax || gid < 0 || gid > limits::kImageIdMax) {
    return refuseEntry("E_ID", path,
                       "it has the owner " + std::to_string(uid) + ":" + std::to_string(gid),
                       "ids in an image go from 0 to " + std::to_string(limits::kImageIdMax));
  }
  const std::int64_t mtime = archive_entry_mtime(entry);
  const long nanoseconds = archive_entry_mtime_nsec(entry);
  if (mtime < 0 || static_cast<std::uint64_t>(mtime) > limits::kTimeMax || nanoseconds < 0 ||
      nanoseconds > 999'999'999) {
    return refuseEntry("E_TIME", path, "its modification time is before 1970 or after 9999");
  }
  Attributes attributes;
  attributes.mode = archive_entry_perm(entry) & 07777;
  attributes.uid = static_cast<std::uint32_t>(uid);
  attributes.gid = static_cast<std::uint32_t>(gid);
  attributes.mtime = static_cast<std::uint64_t>(mtime);
  attributes.mtimeNanoseconds = static_cast<std::uint32_t>(nanoseconds);
  TRY(addXattrs(path, entry, attributes));
  return attributes;
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
  if (source_.error) return fail(std::move(*source_.error));
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

Result<Node> Unpacker::existingDirectory(Node node, std::string_view path) const {
  switch (writer_.kind(node)) {
    case ErofsWriter::Kind::Directory:
      return node;
    case ErofsWriter::Kind::Symlink:
      return refuseEntry("E_SYMLINK", path, "its path goes through a symlink of the image");
    case ErofsWriter::Kind::File:
      return refuseEntry("E_PATH", path, "its path goes through a file of the image");
  }
  std::unreachable();
}

// Real archives often leave out directories: they are made as 0755, root's, 1970.
Result<Node> Unpacker::parentOf(const Path& below, std::string_view path) {
  Node node = ErofsWriter::kRoot;
  for (const std::string_view name : std::span(below).first(below.size() - 1)) {
    const Node next = writer_.find(node, name);
    if (next == ErofsWriter::kNone) {
      node = TRY(writer_.addDirectory(node, name, {}));
      implicit_.insert(node);
    } else {
      node = TRY(existingDirectory(next, path));
    }
  }
  return node;
}

Result<Node> Unpacker::linkTarget(std::string_view path, std::string_view target) const {
  constexpr std::string_view kWhy =
      "it is a hard link to something that is no earlier file of the image";
  const auto components = componentsOf(target);
  if (!components || components->size() < 2 || components->front() != "rootfs" ||
      target.ends_with('/')) {
    return refuseEntry("E_LINK", path, kWhy);
  }
  Node node = ErofsWriter::kRoot;
  for (const std::string_view name : std::span(*components).subspan(1)) {
    if (writer_.kind(node) != ErofsWriter::Kind::Directory)
      return refuseEntry("E_LINK", path, kWhy);
    node = writer_.find(node, name);
    if (node == ErofsWriter::kNone) return refuseEntry("E_LINK", path, kWhy);
  }
  if (writer_.kind(node) != ErofsWriter::Kind::File) return refuseEntry("E_LINK", path, kWhy);
  return node;
}

Result<void> Unpacker::takeRootEntry(archive_entry* entry, const GatedEntry& seen) {
  const std::string_view path = archive_entry_pathname(entry);
  if (seen.type == '2') return refuseEntry("E_SYMLINK", path, "rootfs is not a directory");
  if (seen.type != '5') return refuseEntry("E_LAYOUT", path, "rootfs is not a directory");
  if (implicit_.erase(ErofsWriter::kRoot) == 0) {
    return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  }
  return writer_.setAttributes(ErofsWriter::kRoot, TRY(attributesOf(path, entry)));
}

Result<void> Unpacker::addEntry(FdRef image, Node parent, std::string_view name,
                                archive_entry* entry, const GatedEntry& seen) {
  const std::string_view path = archive_entry_pathname(entry);
  const Node existing = writer_.find(parent, name);
  if (existing != ErofsWriter::kNone && (seen.type != '5' || !implicit_.contains(existing))) {
    return refuseEntry("E_DUPLICATE", path, "duplicate file entry in archive");
  }
  if (seen.type == '1') {
    return writer_.addLink(parent, name, TRY(linkTarget(path, archive_entry_hardlink(entry))));
  }
  const Attributes attributes = TRY(attributesOf(path, entry));
  if (seen.type == '5') {
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
    return writer_.addSymlink(image, parent, name, attributes, target);
  }
  TRY(writer_.addFile(image, parent, name, attributes, seen.size));
  return readContent(path, seen.size, [&](std::span<const std::uint8_t> bytes) {
    return writer_.append(image, bytes);
  });
}

Result<void> Unpacker::takeEntry(FdRef image, archive_entry* entry, const GatedEntry& seen) {
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
  const Node parent = TRY(parentOf(below, path));
  return addEntry(image, parent, below.back(), entry, seen);
}

Result<Unpacked> Unpacker::run(FdRef image) {
  reader_.reset(archive_read_new());
  if (!reader_ || archive_read_support_format_tar(reader_.get()) != ARCHIVE_OK ||
      archive_read_support_filter_none(reader_.get()) != ARCHIVE_OK) {
    return fail(ErrorKind::Failed, "libarchive does not start");
  }
  if (archive_read_open2(reader_.get(), &source_, nullptr, readFromGate, nullptr, nullptr) !=
      ARCHIVE_OK) {
    return readerError();
  }
  for (;;) {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    // A warning is a doubt about what the header means.
    if (result != ARCHIVE_OK) return readerError();
    const auto seen = source_.gate.takeEntry();
    if (!seen) return refuse(ErrorKind::Invalid, "E_TAR", "the archive can be read in two ways");
    TRY(compareReaders(reader_.get(), entry, *seen));
    TRY(takeEntry(image, entry, *seen));
  }
  if (source_.error) return readerError();
  if (source_.gate.takeEntry() || !source_.gate.atEnd()) {
    return refuse(ErrorKind::Invalid, "E_TAR", "the archive can be read in two ways");
  }
  if (!manifest_)
    return refuse(ErrorKind::Invalid, "E_LAYOUT", "no image manifest found in layout");
  if (!sawRoot_) return refuse(ErrorKind::Invalid, "E_LAYOUT", "no rootfs found in layout");
  const std::uint64_t entries = writer_.entries();
  const std::uint64_t bytes = TRY(std::move(writer_).finish(image));
  return Unpacked{.manifest = std::move(*manifest_), .entries = entries, .treeBytes = bytes};
}

}  // namespace

Result<Unpacked> unpackAci(FdRef tar, FdRef image) {
  Source source{.gate = {}, .tar = tar, .error = {}};
  return Unpacker(source).run(image);
}

}  // namespace airlock::verifier
