// SPDX-License-Identifier: Apache-2.0
#include "verifier/tree_walk.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"
#include "ipc/tree_stream.h"
#include "verifier/erofs_format.h"

namespace airlock::verifier {

namespace {

using erofs::kBlockBytes;
using Kind = ipc::TreeEntry::Kind;

std::unexpected<Error> malformed() {
  return refuse(ErrorKind::Invalid, "E_EROFS", "the image of the tree is malformed");
}

// Behind the inode: a header and the entries.
std::uint64_t attributeBytes(const erofs::Inode& inode) {
  if (inode.xattrCount == 0) return 0;
  return sizeof(erofs::XattrHeader) + (std::uint64_t{inode.xattrCount} - 1) * erofs::kXattrAlign;
}

class Walk {
 public:
  Walk(FdRef image, FdRef pipe) : image_(image), pipe_(pipe) {}
  Result<std::uint64_t> run();

 private:
  struct Name {
    std::string name;
    std::uint64_t nid;
  };
  struct Place {
    std::string path;
    std::uint64_t nid;
  };
  Result<void> read(std::span<std::uint8_t> bytes, std::uint64_t offset) const;
  Result<erofs::Inode> inodeAt(std::uint64_t nid) const;
  template <class Use>
  Result<void> content(const erofs::Inode& inode, std::uint64_t nid, Use use) const;
  Result<std::string> text(const erofs::Inode& inode, std::uint64_t nid) const;
  Result<std::vector<std::pair<std::string, std::string>>> attributes(const erofs::Inode& inode,
                                                                      std::uint64_t nid) const;
  Result<std::vector<Name>> namesIn(const std::string& directory) const;
  Result<void> visit(const Place& place);
  Result<void> send(const ipc::TreeEntry& entry);

  FdRef image_;
  FdRef pipe_;
  std::uint64_t metaStart_ = 0;
  std::uint64_t entries_ = 0;
  std::vector<Place> waiting_;                  // directories and what is in them, depth first
  std::map<std::uint64_t, std::string> files_;  // with several names: the one that came first
};

Result<void> Walk::read(std::span<std::uint8_t> bytes, std::uint64_t offset) const {
  if (TRY(sys::readAt(image_, bytes, offset)) != bytes.size()) return malformed();
  return {};
}

Result<erofs::Inode> Walk::inodeAt(std::uint64_t nid) const {
  if (nid > limits::kTreeBytes / erofs::kSlotBytes) return malformed();
  erofs::Inode inode;
  TRY(read({reinterpret_cast<std::uint8_t*>(&inode), sizeof inode},
           metaStart_ + nid * erofs::kSlotBytes));
  if (inode.size > limits::kTreeBytes) return malformed();
  return inode;
}

// Whole blocks first, then the tail, which may lie behind the inode.
template <class Use>
Result<void> Walk::content(const erofs::Inode& inode, std::uint64_t nid, Use use) const {
  const bool isInline = inode.format == erofs::kFormatInline;
  const std::uint64_t tail = isInline ? inode.size % kBlockBytes : 0;
  const std::uint64_t start = std::uint64_t{inode.startBlock} * kBlockBytes;
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
  TRY(read(piece, metaStart_ + nid * erofs::kSlotBytes + sizeof inode + attributeBytes(inode)));
  return use(std::span<const std::uint8_t>(piece));
}

Result<std::string> Walk::text(const erofs::Inode& inode, std::uint64_t nid) const {
  if (inode.size > limits::kTreeEntries * (limits::kNameBytes + sizeof(erofs::Dirent)) * 2)
    return malformed();
  std::string whole;
  TRY(content(inode, nid, [&](std::span<const std::uint8_t> bytes) -> Result<void> {
    whole.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }));
  return whole;
}

Result<std::vector<std::pair<std::string, std::string>>> Walk::attributes(const erofs::Inode& inode,
                                                                          std::uint64_t nid) const {
  std::vector<std::pair<std::string, std::string>> all;
  if (inode.xattrCount == 0) return all;
  const std::size_t bytes = attributeBytes(inode) - sizeof(erofs::XattrHeader);
  if (bytes > limits::kXattrBytes) return malformed();
  std::vector<std::uint8_t> area(bytes);
  TRY(read(area, metaStart_ + nid * erofs::kSlotBytes + sizeof inode + sizeof(erofs::XattrHeader)));
  for (std::size_t at = 0; at < area.size();) {
    erofs::XattrEntry entry;
    if (area.size() - at < sizeof entry) return malformed();
    std::memcpy(&entry, area.data() + at, sizeof entry);
    const std::size_t used = sizeof entry + entry.nameBytes + entry.valueBytes;
    if (used > area.size() - at || entry.nameIndex != erofs::kXattrIndexUser) return malformed();
    const std::string_view text(reinterpret_cast<const char*>(area.data() + at + sizeof entry),
                                used - sizeof entry);
    all.emplace_back(text.substr(0, entry.nameBytes), text.substr(entry.nameBytes));
    at += erofs::roundUp(used, erofs::kXattrAlign);
  }
  return all;
}

// Each block begins with its entries; the names follow, each up to where the next one begins.
Result<std::vector<Walk::Name>> Walk::namesIn(const std::string& directory) const {
  std::vector<Name> names;
  for (std::size_t start = 0; start < directory.size(); start += kBlockBytes) {
    const std::string_view block = std::string_view(directory).substr(start, kBlockBytes);
    const auto entry = [&](std::size_t index) {
      erofs::Dirent dirent{};
      const std::size_t at = index * sizeof dirent;
      if (at + sizeof dirent <= block.size())
        std::memcpy(&dirent, block.data() + at, sizeof dirent);
      return dirent;
    };
    const std::size_t count = entry(0).nameOffset / sizeof(erofs::Dirent);
    if (count == 0 || count * sizeof(erofs::Dirent) > block.size()) return malformed();
    for (std::size_t i = 0; i < count; ++i) {
      const erofs::Dirent dirent = entry(i);
      const std::size_t end = i + 1 < count ? entry(i + 1).nameOffset : block.size();
      if (dirent.nameOffset >= end || end > block.size()) return malformed();
      std::string_view name = block.substr(dirent.nameOffset, end - dirent.nameOffset);
      name = name.substr(0, name.find('\0'));  // padding behind the last of a block
      if (name.empty() || name == "." || name == "..") continue;
      names.push_back({std::string(name), dirent.nidLow | std::uint64_t{dirent.nidHigh} << 32});
    }
  }
  return names;
}

Result<void> Walk::send(const ipc::TreeEntry& entry) {
  if (++entries_ > limits::kTreeEntries + 1 || entry.path.size() > limits::kPathBytes)
    return malformed();
  return sys::writeAll(pipe_, ipc::encodeTreeEntry(entry));
}

Result<void> Walk::visit(const Place& place) {
  const erofs::Inode inode = TRY(inodeAt(place.nid));
  ipc::TreeEntry entry{.path = place.path,
                       .mode = inode.mode & 07777U,
                       .uid = inode.uid,
                       .gid = inode.gid,
                       .mtime = inode.mtime,
                       .mtimeNanoseconds = inode.mtimeNanoseconds};
  if (S_ISDIR(inode.mode)) {
    entry.kind = Kind::Directory;
    entry.attributes = TRY(attributes(inode, place.nid));
    TRY(send(entry));
    const auto names = TRY(namesIn(TRY(text(inode, place.nid))));
    const std::string prefix = place.path.empty() ? "" : place.path + "/";
    for (auto name = names.rbegin(); name != names.rend(); ++name)
      waiting_.push_back({prefix + name->name, name->nid});
    return {};
  }
  if (S_ISLNK(inode.mode)) {
    entry.kind = Kind::Symlink;
    if (inode.size == 0 || inode.size > limits::kPathBytes) return malformed();
    entry.target = TRY(text(inode, place.nid));
    return send(entry);
  }
  if (!S_ISREG(inode.mode)) return malformed();
  if (inode.links > 1) {
    const auto [first, isFirst] = files_.emplace(place.nid, place.path);
    if (!isFirst) {
      entry.kind = Kind::HardLink;
      entry.target = first->second;
      return send(entry);
    }
  }
  entry.kind = Kind::File;
  entry.size = inode.size;
  entry.attributes = TRY(attributes(inode, place.nid));
  TRY(send(entry));
  return content(inode, place.nid, [&](std::span<const std::uint8_t> bytes) {
    return sys::writeAll(pipe_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  });
}

Result<std::uint64_t> Walk::run() {
  erofs::SuperBlock super;
  TRY(read({reinterpret_cast<std::uint8_t*>(&super), sizeof super}, erofs::kSuperOffset));
  metaStart_ = std::uint64_t{super.metaBlock} * kBlockBytes;
  waiting_.push_back({"", super.rootNid});
  while (!waiting_.empty()) {
    const Place place = std::move(waiting_.back());
    waiting_.pop_back();
    TRY(visit(place));
  }
  TRY(sys::writeAll(pipe_, ipc::encodeTreeEntry({.kind = Kind::End})));
  return entries_;
}

}  // namespace

Result<std::uint64_t> streamTree(FdRef image, FdRef pipe) { return Walk(image, pipe).run(); }

}  // namespace airlock::verifier
