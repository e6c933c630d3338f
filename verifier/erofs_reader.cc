// SPDX-License-Identifier: Apache-2.0
#include "verifier/erofs_reader.h"

#include <cstring>

#include "base/syscall.h"

namespace airlock::verifier {

namespace {
std::unexpected<Error> malformed() {
  return refuse(ErrorKind::Invalid, "E_EROFS", "the image of the tree is malformed");
}
}  // namespace

Result<ErofsReader> ErofsReader::open(FdRef image) {
  ErofsReader reader(image);
  erofs::SuperBlock super;
  TRY(reader.read({reinterpret_cast<std::uint8_t*>(&super), sizeof super}, erofs::kSuperOffset));
  if (super.magic != erofs::kMagic) return malformed();
  reader.metaStart_ = std::uint64_t{super.metaBlock} * erofs::kBlockBytes;
  reader.root_ = super.rootNid;
  return reader;
}

Result<void> ErofsReader::read(std::span<std::uint8_t> bytes, std::uint64_t offset) const {
  if (TRY(sys::readAt(image_, bytes, offset)) != bytes.size()) return malformed();
  return {};
}

std::uint64_t ErofsReader::xattrBytes(const erofs::Inode& inode) {
  if (inode.xattrCount == 0) return 0;
  return sizeof(erofs::XattrHeader) + (std::uint64_t{inode.xattrCount} - 1) * erofs::kXattrAlign;
}

Result<erofs::Inode> ErofsReader::inode(Nid nid) const {
  if (nid > limits::kTreeBytes / erofs::kSlotBytes) return malformed();
  erofs::Inode inode;
  TRY(read({reinterpret_cast<std::uint8_t*>(&inode), sizeof inode}, placeOf(nid)));
  if (inode.size > limits::kTreeBytes) return malformed();
  return inode;
}

Result<std::string> ErofsReader::text(const erofs::Inode& inode, Nid nid) const {
  if (inode.size > limits::kTreeEntries * (limits::kNameBytes + sizeof(erofs::Dirent)) * 2)
    return malformed();
  std::string whole;
  TRY(content(inode, nid, [&](std::span<const std::uint8_t> bytes) -> Result<void> {
    whole.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }));
  return whole;
}

Result<std::string> ErofsReader::target(const erofs::Inode& symlink, Nid nid) const {
  if (symlink.size == 0 || symlink.size > limits::kPathBytes) return malformed();
  return text(symlink, nid);
}

// Each block begins with its entries; the names follow, each up to where the next one begins.
Result<std::vector<ErofsReader::Name>> ErofsReader::names(const erofs::Inode& directory,
                                                          Nid nid) const {
  const std::string whole = TRY(text(directory, nid));
  std::vector<Name> names;
  for (std::size_t start = 0; start < whole.size(); start += erofs::kBlockBytes) {
    const std::string_view block = std::string_view(whole).substr(start, erofs::kBlockBytes);
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

Result<std::vector<ErofsReader::Xattr>> ErofsReader::xattrs(const erofs::Inode& inode,
                                                            Nid nid) const {
  std::vector<Xattr> found;
  const std::uint64_t bytes = xattrBytes(inode);
  if (bytes == 0) return found;
  if (bytes > erofs::kBlockBytes) return malformed();
  std::string area(bytes, '\0');
  TRY(read({reinterpret_cast<std::uint8_t*>(area.data()), area.size()},
           placeOf(nid) + sizeof inode));
  for (std::size_t at = sizeof(erofs::XattrHeader); at < area.size();) {
    Xattr one;
    if (area.size() - at < sizeof one.entry) return malformed();
    std::memcpy(&one.entry, area.data() + at, sizeof one.entry);
    const std::size_t used = sizeof one.entry + one.entry.nameBytes + one.entry.valueBytes;
    if (used > area.size() - at) return malformed();
    one.name = area.substr(at + sizeof one.entry, one.entry.nameBytes);
    one.value = area.substr(at + sizeof one.entry + one.entry.nameBytes, one.entry.valueBytes);
    at += erofs::roundUp(used, erofs::kXattrAlign);
    found.push_back(std::move(one));
  }
  return found;
}

Result<bool> ErofsReader::isOpaque(const erofs::Inode& directory, Nid nid) const {
  const auto all = TRY(xattrs(directory, nid));
  return !all.empty() && all.front().entry.nameIndex == erofs::kXattrIndexTrusted &&
         all.front().name == erofs::kOpaqueName;
}

Result<Attributes> ErofsReader::attributes(const erofs::Inode& inode, Nid nid) const {
  Attributes attributes{.mode = inode.mode & 07777U,
                        .uid = inode.uid,
                        .gid = inode.gid,
                        .mtime = inode.mtime,
                        .mtimeNanoseconds = inode.mtimeNanoseconds,
                        .userXattrs = {}};
  for (Xattr& one : TRY(xattrs(inode, nid))) {
    if (one.entry.nameIndex == erofs::kXattrIndexUser)
      attributes.userXattrs.emplace(std::move(one.name), std::move(one.value));
  }
  return attributes;
}

}  // namespace airlock::verifier
