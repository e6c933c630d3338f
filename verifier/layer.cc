// SPDX-License-Identifier: Apache-2.0
#include "verifier/layer.h"

#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "verifier/archive_entry.h"
#include "verifier/archive_reader.h"
#include "verifier/erofs_writer.h"
#include "verifier/layer_stack.h"

namespace airlock::verifier {

namespace {

using Node = ErofsWriter::Node;
using Kind = ErofsWriter::Kind;
using Path = std::vector<std::string_view>;

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufs = ".wh..wh.";  // bookkeeping of aufs: means nothing
constexpr int kMostSymlinks = 40;               // as path_resolution(7)

std::string_view relative(std::string_view path) {
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return path;
}

// "./" and "/" are the root itself.
Result<Path> pathOf(std::string_view path) {
  const std::string_view below = relative(path);
  if (below.empty() && !path.empty()) return Path();
  return componentsOf(below);
}

class LayerUnpacker {
 public:
  LayerUnpacker(FdRef image, const LayerPlace& place, std::optional<LayerStack> below)
      : image_(image), place_(place), below_(std::move(below)) {}

  Result<ipc::Layered> read(FdRef tar);

 private:
  struct Symlink {
    std::string target;
    Attributes attributes;
  };
  // A directory by its place, which is what a symlink's ".." is resolved in.
  struct Directory {
    std::vector<Node> line;  // from the root on
    Node node() const { return line.back(); }
  };

  Result<void> take(const ArchiveReader::Entry& entry);
  Result<void> takeRoot(const ArchiveReader::Entry& entry);
  Result<void> takeWhiteout(const Directory& parent, const ArchiveReader::Entry& entry,
                            std::string_view name);
  Result<void> takeNode(Node parent, std::string_view name, const ArchiveReader::Entry& entry);
  Result<void> takeDirectory(Node parent, std::string_view name, Node existing,
                             const Attributes& attributes);
  Result<void> takeSymlink(Node parent, std::string_view name, const ArchiveReader::Entry& entry,
                           const Attributes& attributes);
  Result<void> takeLink(Node parent, std::string_view name, const ArchiveReader::Entry& entry);
  Result<void> copyFromBelow(Node parent, std::string_view name, const Path& target,
                             std::string_view path);
  Result<Node> makeImplicit(Node parent, std::string_view name);
  // Follows the layer's own symlinks.  `make`: what is missing becomes a directory; else none.
  Result<std::optional<Directory>> walk(std::span<const std::string_view> names,
                                        std::string_view path, bool make);
  Result<void> supersede(Node parent, std::string_view name, std::string_view path);
  Result<void> supersedeTree(Node parent, std::string_view name, std::string_view path, int depth);
  Result<void> finishWhiteouts();
  Result<void> finishImplicit();
  std::vector<std::string_view> pathOfDirectory(Node node) const;
  bool isCutOff(Node node) const;

  FdRef image_;
  const LayerPlace& place_;
  std::optional<LayerStack> below_;
  std::unique_ptr<ArchiveReader> reader_;
  ErofsWriter writer_;
  ipc::Layered result_;
  std::uint32_t number_ = 0;  // of the entry that is being read
  bool discard_ = false;      // it will be read again: nothing of this reading is kept
  std::map<std::pair<Node, std::string>, std::uint32_t> numbers_;  // the entry that made a name
  std::unordered_map<Node, std::uint32_t> makers_;                 // of a file: its first entry
  std::unordered_map<Node, Symlink> symlinks_;
  std::unordered_map<Node, std::pair<Node, std::string>> directories_;  // parent and name
  std::set<Node> implicit_;  // directories without an entry so far
  std::set<Node> opaque_;
  std::vector<std::pair<Node, std::string>> whiteouts_;
  std::map<LayerStack::Part, Node> copied_;
};

Result<Node> LayerUnpacker::makeImplicit(Node parent, std::string_view name) {
  const Node node = TRY(writer_.addDirectory(parent, name, {}));
  directories_.emplace(node, std::pair(parent, std::string(name)));
  implicit_.insert(node);
  return node;
}

Result<std::optional<LayerUnpacker::Directory>> LayerUnpacker::walk(
    std::span<const std::string_view> names, std::string_view path, bool make) {
  std::deque<std::string> left(names.begin(), names.end());
  Directory at{{ErofsWriter::kRoot}};
  int symlinks = 0;
  while (!left.empty()) {
    const std::string name = std::move(left.front());
    left.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (at.line.size() > 1) at.line.pop_back();
      continue;
    }
    Node next = writer_.find(at.node(), name);
    if (next == ErofsWriter::kNone) {
      if (!make) return std::optional<Directory>();
      if (name.size() > limits::kNameBytes || at.line.size() > limits::kTreeDepth)
        return refuseEntry("E_DEPTH", path, "the path is too deep");
      next = TRY(makeImplicit(at.node(), name));
    }
    switch (writer_.kind(next)) {
      case Kind::Directory:
        at.line.push_back(next);
        break;
      case Kind::Symlink: {
        if (++symlinks > kMostSymlinks)
          return refuseEntry("E_SYMLINK", path, "its path goes through too many symlinks");
        const std::string& target = symlinks_.at(next).target;
        if (target.starts_with('/')) at.line.resize(1);
        std::vector<std::string> parts;
        for (std::size_t begin = 0; begin <= target.size();) {
          const std::size_t end = std::min(target.find('/', begin), target.size());
          parts.push_back(target.substr(begin, end - begin));
          begin = end + 1;
        }
        left.insert(left.begin(), parts.begin(), parts.end());
        break;
      }
      case Kind::File:
      case Kind::Whiteout:
        if (!make) return std::optional<Directory>();
        return refuseEntry("E_PATH", path, "its path goes through a file of the layer");
    }
  }
  return std::optional(std::move(at));
}

Result<void> LayerUnpacker::takeRoot(const ArchiveReader::Entry& entry) {
  if (entry.seen.type != '5') return refuseEntry("E_PATH", entry.path, "the name is no name");
  return writer_.setAttributes(ErofsWriter::kRoot, TRY(attributesOf(entry.path, entry.header)));
}

Result<void> LayerUnpacker::takeWhiteout(const Directory& parent, const ArchiveReader::Entry& entry,
                                         std::string_view name) {
  if (name == kOpaque) {
    opaque_.insert(parent.node());
    return {};
  }
  if (name.starts_with(kAufs)) return {};
  const std::string_view hidden = name.substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == "..")
    return refuseEntry("E_WHITEOUT", entry.path, "it takes nothing away that could have a name");
  whiteouts_.emplace_back(parent.node(), hidden);
  return {};
}

// The next reading is without the entries that are replaced.
Result<void> LayerUnpacker::supersede(Node parent, std::string_view name, std::string_view path) {
  discard_ = true;
  TRY(supersedeTree(parent, name, path, 0));
  if (result_.superseded.size() > limits::kSuperseded)
    return refuseEntry("E_DUPLICATE", path, "too many entries of the layer replace each other");
  writer_.forget(parent, name);
  return {};
}

Result<void> LayerUnpacker::supersedeTree(Node parent, std::string_view name, std::string_view path,
                                          int depth) {
  const Node node = writer_.find(parent, name);
  const auto number = numbers_.find({parent, std::string(name)});
  if (number != numbers_.end()) {
    const auto maker = makers_.find(node);
    if (maker != makers_.end() && maker->second == number->second && writer_.links(node) > 1)
      return refuseEntry("E_DUPLICATE", path, "it replaces a file that others are links to");
    result_.superseded.push_back(number->second);
    numbers_.erase(number);
  }
  if (writer_.kind(node) != Kind::Directory) return {};
  for (const auto& [child, unused] : writer_.children(node))
    TRY(supersedeTree(node, child, path, depth + 1));
  return {};
}

Result<void> LayerUnpacker::takeDirectory(Node parent, std::string_view name, Node existing,
                                          const Attributes& attributes) {
  if (existing != ErofsWriter::kNone) {
    implicit_.erase(existing);
    return writer_.setAttributes(existing, attributes);
  }
  const Node node = TRY(writer_.addDirectory(parent, name, attributes));
  directories_.emplace(node, std::pair(parent, std::string(name)));
  return {};
}

Result<void> LayerUnpacker::takeSymlink(Node parent, std::string_view name,
                                        const ArchiveReader::Entry& entry,
                                        const Attributes& attributes) {
  const char* text = archive_entry_symlink(entry.header);
  const std::string_view target = text == nullptr ? "" : text;
  if (target.empty() || target.size() > limits::kPathBytes) {
    return refuseEntry("E_SYMLINK", entry.path,
                       "the target of the symlink is empty or longer than 4095 bytes");
  }
  TRY(writer_.addSymlink(image_, parent, name, attributes, target));
  symlinks_.emplace(writer_.find(parent, name), Symlink{std::string(target), attributes});
  return {};
}

Result<void> LayerUnpacker::copyFromBelow(Node parent, std::string_view name, const Path& target,
                                          std::string_view path) {
  if (!below_) {
    // Nothing is below, or nobody has said what: then it is to be read again with that at hand.
    if (place_.bottom)
      return refuseEntry("E_LINK", path, "it is a hard link to nothing that the layer has");
    result_.needsLowers = discard_ = true;
    return {};
  }
  const auto found = TRY(below_->find(target));
  if (!found || !S_ISREG(found->inode.mode)) {
    return refuseEntry("E_LINK", path,
                       "it is a hard link to no file of this layer or of one below");
  }
  const LayerStack::Part part = found->parts.front();
  if (const auto same = copied_.find(part); same != copied_.end())
    return writer_.addLink(parent, name, same->second);
  const ErofsReader& in = below_->reader(part);
  TRY(writer_.addFile(image_, parent, name, TRY(in.attributes(found->inode, part.nid)),
                      found->inode.size));
  copied_.emplace(part, writer_.find(parent, name));
  return in.content(found->inode, part.nid, [&](std::span<const std::uint8_t> bytes) {
    return writer_.append(image_, bytes);
  });
}

Result<void> LayerUnpacker::takeLink(Node parent, std::string_view name,
                                     const ArchiveReader::Entry& entry) {
  const Path target = TRY(pathOf(archive_entry_hardlink(entry.header)));
  if (target.empty()) return refuseEntry("E_LINK", entry.path, "it is a hard link to a directory");
  const auto directory = TRY(walk(std::span(target).first(target.size() - 1), entry.path, false));
  const Node node = directory ? writer_.find(directory->node(), target.back()) : ErofsWriter::kNone;
  if (node == ErofsWriter::kNone) return copyFromBelow(parent, name, target, entry.path);
  switch (writer_.kind(node)) {
    case Kind::File:
      return writer_.addLink(parent, name, node);
    case Kind::Symlink: {
      // EROFS could have two names for it; that nobody can tell them apart makes a copy do.
      const Symlink same = symlinks_.at(node);
      TRY(writer_.addSymlink(image_, parent, name, same.attributes, same.target));
      symlinks_.emplace(writer_.find(parent, name), same);
      return {};
    }
    case Kind::Directory:
    case Kind::Whiteout:
      break;
  }
  return refuseEntry("E_LINK", entry.path, "it is a hard link to a directory");
}

Result<void> LayerUnpacker::takeNode(Node parent, std::string_view name,
                                     const ArchiveReader::Entry& entry) {
  const char type = entry.seen.type;
  Node existing = writer_.find(parent, name);
  if (existing != ErofsWriter::kNone &&
      !(type == '5' && writer_.kind(existing) == Kind::Directory)) {
    TRY(supersede(parent, name, entry.path));
    existing = ErofsWriter::kNone;
  }
  numbers_[{parent, std::string(name)}] = number_;
  if (type == '1') return takeLink(parent, name, entry);
  const Attributes attributes = TRY(attributesOf(entry.path, entry.header));
  if (type == '5') return takeDirectory(parent, name, existing, attributes);
  if (type == '2') return takeSymlink(parent, name, entry, attributes);
  TRY(writer_.addFile(image_, parent, name, attributes, entry.seen.size));
  makers_.emplace(writer_.find(parent, name), number_);
  return reader_->content(
      entry, [&](std::span<const std::uint8_t> bytes) { return writer_.append(image_, bytes); });
}

Result<void> LayerUnpacker::take(const ArchiveReader::Entry& entry) {
  const char type = entry.seen.type;
  if (type != '5' && (entry.path.ends_with('/') || entry.path.ends_with("/.")))
    return refuseEntry("E_PATH", entry.path, "a name that ends in a slash is no directory");
  const Path path = TRY(pathOf(entry.path));
  if (path.empty()) return takeRoot(entry);
  if (path.size() > limits::kTreeDepth) return refuseEntry("E_DEPTH", entry.path, "it is too deep");
  const bool isWhiteout = path.back().starts_with(kWhiteout);
  if (!isWhiteout && (type == '3' || type == '4' || type == '6')) {
    ++result_.leftOut;
    return {};
  }
  const auto parent = TRY(walk(std::span(path).first(path.size() - 1), entry.path, true));
  if (isWhiteout) return takeWhiteout(*parent, entry, path.back());
  return takeNode(parent->node(), path.back(), entry);
}

// Whatever is below it is hidden: by the layer's own mark, or one above it.
bool LayerUnpacker::isCutOff(Node node) const {
  for (;;) {
    if (opaque_.contains(node)) return true;
    const auto place = directories_.find(node);
    if (place == directories_.end()) return false;
    node = place->second.first;
  }
}

// What the same layer has under that name stays: only what is below it is taken away.
Result<void> LayerUnpacker::finishWhiteouts() {
  for (const auto& [parent, name] : whiteouts_) {
    const Node existing = writer_.find(parent, name);
    if (existing != ErofsWriter::kNone && writer_.kind(existing) == Kind::Directory)
      opaque_.insert(existing);
  }
  if (place_.bottom) {
    result_.hangsOnPlace |= !whiteouts_.empty();
    return {};
  }
  for (const auto& [parent, name] : whiteouts_) {
    if (writer_.find(parent, name) == ErofsWriter::kNone && !isCutOff(parent))
      TRY(writer_.addWhiteout(parent, name));
  }
  for (const Node directory : opaque_) writer_.setOpaque(directory);
  return {};
}

std::vector<std::string_view> LayerUnpacker::pathOfDirectory(Node node) const {
  std::vector<std::string_view> path;
  for (auto at = directories_.find(node); at != directories_.end();
       at = directories_.find(at->second.first))
    path.emplace_back(at->second.second);
  std::ranges::reverse(path);
  return path;
}

// A directory that the layer does not mention is as it was below.
Result<void> LayerUnpacker::finishImplicit() {
  for (const Node node : implicit_) {
    if (isCutOff(node)) continue;
    if (place_.bottom || below_) result_.hangsOnPlace = true;
    if (place_.bottom) continue;
    if (!below_) {
      result_.needsLowers = true;
      return {};
    }
    const auto found = TRY(below_->find(pathOfDirectory(node)));
    if (!found || !S_ISDIR(found->inode.mode)) continue;
    const LayerStack::Part part = found->parts.front();
    TRY(writer_.setAttributes(node, TRY(below_->reader(part).attributes(found->inode, part.nid))));
  }
  return {};
}

Result<ipc::Layered> LayerUnpacker::read(FdRef tar) {
  reader_ = TRY(ArchiveReader::open(tar, TarOf::Layer));
  while (const auto entry = TRY(reader_->next())) {
    if (!std::ranges::binary_search(place_.skip, number_)) TRY(take(*entry));
    ++number_;
  }
  if (!discard_) TRY(finishWhiteouts());
  if (!discard_) TRY(finishImplicit());
  result_.hangsOnPlace |= !copied_.empty();
  result_.entries = writer_.entries();
  std::ranges::sort(result_.superseded);
  if (result_.superseded.empty() && !result_.needsLowers) TRY(std::move(writer_).finish(image_));
  return std::move(result_);
}

}  // namespace

Result<ipc::Layered> unpackLayer(FdRef tar, FdRef image, const LayerPlace& place) {
  std::optional<LayerStack> below;
  if (!place.lowers.empty()) below = TRY(LayerStack::open(place.lowers));
  return LayerUnpacker(image, place, std::move(below)).read(tar);
}

}  // namespace airlock::verifier
