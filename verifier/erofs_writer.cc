// SPDX-License-Identifier: Apache-2.0
#include "verifier/erofs_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/syscall.h"
#include "verifier/erofs_format.h"

namespace airlock::verifier {

namespace {

constexpr std::size_t kStreamBytes = limits::MiB;

template <class T>
std::span<const std::uint8_t> bytesOf(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}
std::span<const std::uint8_t> bytesOf(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <class T>
void appendStruct(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::unexpected<Error> tooMuch(std::string what) {
  return refuse(ErrorKind::Invalid, "E_LIMIT", std::move(what), "split the image");
}

std::uint16_t typeBits(ErofsWriter::Kind kind) {
  switch (kind) {
    case ErofsWriter::Kind::Directory:
      return S_IFDIR;
    case ErofsWriter::Kind::File:
      return S_IFREG;
    case ErofsWriter::Kind::Symlink:
      return S_IFLNK;
    case ErofsWriter::Kind::Whiteout:
      return S_IFCHR;
  }
  std::unreachable();
}

std::uint8_t direntType(ErofsWriter::Kind kind) {
  switch (kind) {
    case ErofsWriter::Kind::Directory:
      return erofs::kDirectory;
    case ErofsWriter::Kind::File:
      return erofs::kRegular;
    case ErofsWriter::Kind::Symlink:
      return erofs::kSymlink;
    case ErofsWriter::Kind::Whiteout:
      return erofs::kDevice;
  }
  std::unreachable();
}

}  // namespace

// --- the stream

ErofsWriter::Stream::Stream() : buffer_(kStreamBytes), start_(erofs::kBlockBytes) {}

Result<void> ErofsWriter::Stream::append(FdRef image, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), buffer_.size() - used_);
    std::copy_n(bytes.begin(), count, buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ += count;
    bytes = bytes.subspan(count);
    if (used_ == buffer_.size()) TRY(flush(image));
  }
  return {};
}

Result<void> ErofsWriter::Stream::padTo(FdRef image, std::uint64_t position) {
  static constexpr std::uint8_t kZeros[erofs::kBlockBytes] = {};
  while (this->position() < position) {
    const std::uint64_t count = std::min<std::uint64_t>(position - this->position(), sizeof kZeros);
    TRY(append(image, std::span(kZeros).first(count)));
  }
  return {};
}

Result<void> ErofsWriter::Stream::flush(FdRef image) {
  TRY(sys::writeAt(image, std::span(buffer_).first(used_), start_));
  start_ += used_;
  used_ = 0;
  return {};
}

// --- building the tree

ErofsWriter::ErofsWriter() {
  nodes_.emplace_back();
  nodes_[kRoot].mode = 0755;
  nodes_[kRoot].links = 2;
}

ErofsWriter::Node ErofsWriter::find(Node directory, std::string_view name) const {
  const auto& children = nodes_[directory].children;
  const auto found = children.find(name);
  return found == children.end() ? kNone : found->second;
}

Result<void> ErofsWriter::countName() {
  if (++names_ > limits::kTreeEntries) {
    return tooMuch("the tree has more than " + std::to_string(limits::kTreeEntries) + " entries");
  }
  return {};
}

Result<void> ErofsWriter::setXattrs(Inode& inode,
                                    const std::map<std::string, std::string>& xattrs) {
  std::string entries;
  for (const auto& [name, value] : xattrs) {
    appendStruct(entries,
                 erofs::XattrEntry{static_cast<std::uint8_t>(name.size()), erofs::kXattrIndexUser,
                                   static_cast<std::uint16_t>(value.size())});
    entries += name;
    entries += value;
    entries.resize(erofs::roundUp(entries.size(), erofs::kXattrAlign));
    if (name.size() > limits::kNameBytes || entries.size() > limits::kXattrBytes) {
      return tooMuch("the extended attributes of one file take more than " +
                     std::to_string(limits::kXattrBytes) + " bytes");
    }
  }
  inode.xattrs.clear();
  if (entries.empty()) return {};
  appendStruct(inode.xattrs, erofs::XattrHeader{});
  inode.xattrs += entries;
  xattrBytes_ += inode.xattrs.size();
  if (xattrBytes_ > limits::kTreeXattrBytes) {
    return tooMuch("the extended attributes of the tree take more than " +
                   std::to_string(limits::kTreeXattrBytes) + " bytes");
  }
  return {};
}

Result<ErofsWriter::Node> ErofsWriter::addNode(Node parent, std::string_view name, Kind kind,
                                               const Attributes& attributes) {
  TRY(countName());
  const Node node = static_cast<Node>(nodes_.size());
  Inode& inode = nodes_.emplace_back();
  inode.kind = kind;
  inode.parent = parent;
  inode.links = kind == Kind::Directory ? 2 : 1;
  TRY(setAttributes(node, attributes));
  nodes_[parent].children.emplace(name, node);
  return node;
}

Result<ErofsWriter::Node> ErofsWriter::addDirectory(Node parent, std::string_view name,
                                                    const Attributes& attributes) {
  const Node node = TRY(addNode(parent, name, Kind::Directory, attributes));
  ++nodes_[parent].links;
  return node;
}

Result<void> ErofsWriter::setAttributes(Node node, const Attributes& attributes) {
  Inode& inode = nodes_[node];
  inode.mode = static_cast<std::uint16_t>(attributes.mode & 07777);
  inode.uid = attributes.uid;
  inode.gid = attributes.gid;
  inode.mtime = attributes.mtime;
  inode.mtimeNanoseconds = attributes.mtimeNanoseconds;
  return setXattrs(inode, attributes.userXattrs);
}

Result<void> ErofsWriter::addSymlink(FdRef image, Node parent, std::string_view name,
                                     const Attributes& attributes, std::string_view target) {
  Attributes fixed = attributes;
  fixed.mode = 0777;  // Linux knows no other
  const Node node = TRY(addNode(parent, name, Kind::Symlink, fixed));
  nodes_[node].size = target.size();
  placeContent(nodes_[node]);
  return append(image, {reinterpret_cast<const std::uint8_t*>(target.data()), target.size()});
}

Result<void> ErofsWriter::addLink(Node parent, std::string_view name, Node file) {
  TRY(countName());
  nodes_[parent].children.emplace(name, file);
  ++nodes_[file].links;
  return {};
}

Result<void> ErofsWriter::addWhiteout(Node parent, std::string_view name) {
  TRY(addNode(parent, name, Kind::Whiteout, {.mode = 0}));
  return {};
}

Result<void> ErofsWriter::addFile(FdRef image, Node parent, std::string_view name,
                                  const Attributes& attributes, std::uint64_t size) {
  if (size > limits::kTreeBytes || contentBytes_ + size > limits::kTreeBytes) {
    return tooMuch("the files take more than " + std::to_string(limits::kTreeBytes) + " bytes");
  }
  contentBytes_ += size;
  const Node node = TRY(addNode(parent, name, Kind::File, attributes));
  nodes_[node].size = size;
  placeContent(nodes_[node]);
  return append(image, {});
}

// --- content

bool ErofsWriter::tailFits(const Inode& inode) {
  const std::uint64_t tail = inode.size % erofs::kBlockBytes;
  return tail != 0 && sizeof(erofs::Inode) + inode.xattrs.size() + tail <= erofs::kBlockBytes;
}

// Decides where the content of a file or symlink goes; append() then takes it.
void ErofsWriter::placeContent(Inode& inode) {
  const std::uint64_t tail = inode.size % erofs::kBlockBytes;
  // Tails wait in memory for the metadata, so there is a bound; the checker counts alike.
  inode.inlineTail = tailFits(inode) && inlineBytes_ + tail <= limits::kTreeInlineBytes;
  tailLeft_ = inode.inlineTail ? tail : 0;
  inlineBytes_ += tailLeft_;
  inode.tail.reserve(tailLeft_);
  blocksLeft_ = inode.size - tailLeft_;
  if (blocksLeft_ != 0) {
    inode.startBlock = static_cast<std::uint32_t>(stream_.position() / erofs::kBlockBytes);
  }
}

Result<void> ErofsWriter::append(FdRef image, std::span<const std::uint8_t> bytes) {
  if (bytes.size() > blocksLeft_ + tailLeft_) {
    return fail(ErrorKind::Failed, "more content than the size that was announced");
  }
  const std::size_t toBlocks = std::min<std::uint64_t>(bytes.size(), blocksLeft_);
  if (toBlocks != 0) {
    TRY(stream_.append(image, bytes.first(toBlocks)));
    blocksLeft_ -= toBlocks;
    if (blocksLeft_ == 0) {
      TRY(stream_.padTo(image, erofs::roundUp(stream_.position(), erofs::kBlockBytes)));
    }
  }
  const auto rest = bytes.subspan(toBlocks);
  nodes_.back().tail.append(reinterpret_cast<const char*>(rest.data()), rest.size());
  tailLeft_ -= rest.size();
  return {};
}

// --- metadata

std::uint64_t ErofsWriter::directoryBytes(const Inode& directory) {
  // "." and ".." have their places among the sorted names.
  std::uint64_t blocks = 0;
  std::size_t used = 0;
  const auto add = [&](std::string_view name) {
    const std::size_t need = sizeof(erofs::Dirent) + name.size();
    if (used + need > erofs::kBlockBytes) {
      ++blocks;
      used = 0;
    }
    used += need;
  };
  std::string_view dots[] = {".", ".."};
  std::span<std::string_view> pending = dots;
  for (const auto& [name, node] : directory.children) {
    for (; !pending.empty() && pending.front() < name; pending = pending.subspan(1)) {
      add(pending.front());
    }
    add(name);
  }
  for (const std::string_view dot : pending) add(dot);
  return blocks * erofs::kBlockBytes + used;
}

std::string ErofsWriter::directoryContent(Node node) const {
  const Inode& directory = nodes_[node];
  std::vector<std::pair<std::string_view, Node>> entries(directory.children.begin(),
                                                         directory.children.end());
  entries.emplace_back(".", node);
  entries.emplace_back("..", directory.parent);
  std::ranges::sort(entries);

  std::string content;
  for (auto first = entries.begin(); first != entries.end();) {
    std::size_t used = 0;
    auto last = first;
    while (last != entries.end()) {
      const std::size_t need = sizeof(erofs::Dirent) + last->first.size();
      if (used + need > erofs::kBlockBytes) break;
      used += need;
      ++last;
    }
    content.resize(erofs::roundUp(content.size(), erofs::kBlockBytes));
    std::size_t nameOffset = static_cast<std::size_t>(last - first) * sizeof(erofs::Dirent);
    std::string names;
    for (; first != last; ++first) {
      const Inode& target = nodes_[first->second];
      appendStruct(content, erofs::Dirent{static_cast<std::uint32_t>(target.nid),
                                          static_cast<std::uint32_t>(target.nid >> 32),
                                          static_cast<std::uint16_t>(nameOffset),
                                          direntType(target.kind), 0});
      names += first->first;
      nameOffset += first->first.size();
    }
    content += names;
  }
  return content;
}

// The mark stands before the image's own attributes.
void ErofsWriter::markOpaque() {
  std::string mark;
  appendStruct(mark, erofs::XattrEntry{static_cast<std::uint8_t>(erofs::kOpaqueName.size()),
                                       erofs::kXattrIndexTrusted,
                                       static_cast<std::uint16_t>(erofs::kOpaqueValue.size())});
  mark += erofs::kOpaqueName;
  mark += erofs::kOpaqueValue;
  mark.resize(erofs::roundUp(mark.size(), erofs::kXattrAlign));
  for (Inode& inode : nodes_) {
    if (!inode.opaque) continue;
    if (inode.xattrs.empty()) appendStruct(inode.xattrs, erofs::XattrHeader{});
    inode.xattrs.insert(sizeof(erofs::XattrHeader), mark);
  }
}

void ErofsWriter::sizeDirectories() {
  std::uint64_t nextBlock = stream_.position() / erofs::kBlockBytes;
  for (Inode& inode : nodes_) {
    if (inode.kind != Kind::Directory) continue;
    inode.size = directoryBytes(inode);
    inode.inlineTail = tailFits(inode);
    const std::uint64_t blocks =
        inode.inlineTail ? inode.size / erofs::kBlockBytes
                         : erofs::roundUp(inode.size, erofs::kBlockBytes) / erofs::kBlockBytes;
    if (blocks != 0) inode.startBlock = static_cast<std::uint32_t>(nextBlock);
    nextBlock += blocks;
  }
}

void ErofsWriter::numberInodes() {
  std::uint64_t position = std::uint64_t{erofs::kRootNid} * erofs::kSlotBytes;
  for (Inode& inode : nodes_) {
    const std::uint64_t tail = inode.inlineTail ? inode.size % erofs::kBlockBytes : 0;
    const std::uint64_t bytes = sizeof(erofs::Inode) + inode.xattrs.size() + tail;
    if (position % erofs::kBlockBytes + bytes > erofs::kBlockBytes) {
      position = erofs::roundUp(position, erofs::kBlockBytes);
    }
    inode.nid = position / erofs::kSlotBytes;
    position = erofs::roundUp(position + bytes, erofs::kSlotBytes);
  }
}

Result<void> ErofsWriter::writeDirectories(FdRef image) {
  for (Node node = 0; node < nodes_.size(); ++node) {
    if (nodes_[node].kind != Kind::Directory) continue;
    const std::string content = directoryContent(node);
    const std::size_t tail = nodes_[node].inlineTail ? content.size() % erofs::kBlockBytes : 0;
    nodes_[node].tail = content.substr(content.size() - tail);
    TRY(stream_.append(image, bytesOf(content).first(content.size() - tail)));
    TRY(stream_.padTo(image, erofs::roundUp(stream_.position(), erofs::kBlockBytes)));
  }
  return {};
}

Result<void> ErofsWriter::writeInodes(FdRef image, std::uint64_t metaStart) {
  std::uint32_t number = 0;
  for (const Inode& inode : nodes_) {
    erofs::Inode disk{};
    disk.format = inode.inlineTail ? erofs::kFormatInline : erofs::kFormatPlain;
    if (!inode.xattrs.empty()) {
      disk.xattrCount = static_cast<std::uint16_t>(
          1 + (inode.xattrs.size() - sizeof(erofs::XattrHeader)) / erofs::kXattrAlign);
    }
    disk.mode = static_cast<std::uint16_t>(typeBits(inode.kind) | inode.mode);
    disk.size = inode.size;
    disk.startBlock = inode.startBlock;
    disk.number = ++number;
    disk.uid = inode.uid;
    disk.gid = inode.gid;
    disk.mtime = inode.mtime;
    disk.mtimeNanoseconds = inode.mtimeNanoseconds;
    disk.links = inode.links;
    TRY(stream_.padTo(image, metaStart + inode.nid * erofs::kSlotBytes));
    TRY(stream_.append(image, bytesOf(disk)));
    TRY(stream_.append(image, bytesOf(inode.xattrs)));
    TRY(stream_.append(image, bytesOf(inode.tail)));
  }
  return stream_.padTo(image, erofs::roundUp(stream_.position(), erofs::kBlockBytes));
}

Result<std::uint64_t> ErofsWriter::finish(FdRef image) && {
  if (blocksLeft_ + tailLeft_ != 0) {
    return fail(ErrorKind::Failed, "less content than the size that was announced");
  }
  markOpaque();
  sizeDirectories();
  numberInodes();
  TRY(writeDirectories(image));
  const std::uint64_t metaStart = stream_.position();
  TRY(writeInodes(image, metaStart));
  TRY(stream_.flush(image));

  std::vector<std::uint8_t> block(erofs::kBlockBytes);
  erofs::SuperBlock super{};
  super.magic = erofs::kMagic;
  super.featureCompat = erofs::kFeatureCompat;
  super.blockBits = erofs::kBlockBits;
  super.rootNid = erofs::kRootNid;
  super.inodes = nodes_.size();
  super.blocks = static_cast<std::uint32_t>(stream_.position() / erofs::kBlockBytes);
  super.metaBlock = static_cast<std::uint32_t>(metaStart / erofs::kBlockBytes);
  const auto place = std::span(block).subspan(erofs::kSuperOffset);
  std::ranges::copy(bytesOf(super), place.begin());
  super.checksum = erofs::crc32c(place);
  std::ranges::copy(bytesOf(super), place.begin());
  TRY(sys::writeAt(image, block, 0));
  return stream_.position();
}

}  // namespace airlock::verifier
