// SPDX-License-Identifier: Apache-2.0
#include "verifier/tree_walk.h"

#include <sys/stat.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"
#include "ipc/tree_stream.h"
#include "verifier/layer_stack.h"

namespace airlock::verifier {

namespace {

using Kind = ipc::TreeEntry::Kind;

std::unexpected<Error> malformed() {
  return refuse(ErrorKind::Invalid, "E_EROFS", "the image of the tree is malformed");
}

class Walk {
 public:
  Walk(LayerStack stack, FdRef pipe) : stack_(std::move(stack)), pipe_(pipe) {}
  Result<std::uint64_t> run();

 private:
  struct Place {
    std::string path;
    LayerStack::Seen seen;
  };
  Result<void> visit(const Place& place);
  Result<void> visitFile(const Place& place, ipc::TreeEntry entry);
  Result<void> send(const ipc::TreeEntry& entry);
  Result<std::vector<std::pair<std::string, std::string>>> attributesOf(
      const erofs::Inode& inode, const LayerStack::Part& part) const;

  LayerStack stack_;
  FdRef pipe_;
  std::uint64_t entries_ = 0;
  std::vector<Place> waiting_;                     // directories and what is in them, depth first
  std::map<LayerStack::Part, std::string> files_;  // with several names: the one that came first
};

Result<void> Walk::send(const ipc::TreeEntry& entry) {
  if (++entries_ > limits::kStackEntries + 1 || entry.path.size() > limits::kPathBytes)
    return malformed();
  return sys::writeAll(pipe_, ipc::encodeTreeEntry(entry));
}

Result<std::vector<std::pair<std::string, std::string>>> Walk::attributesOf(
    const erofs::Inode& inode, const LayerStack::Part& part) const {
  const Attributes all = TRY(stack_.reader(part).attributes(inode, part.nid));
  return std::vector<std::pair<std::string, std::string>>(all.userXattrs.begin(),
                                                          all.userXattrs.end());
}

Result<void> Walk::visit(const Place& place) {
  const erofs::Inode& inode = place.seen.inode;
  const LayerStack::Part& part = place.seen.parts.front();
  ipc::TreeEntry entry{.path = place.path,
                       .mode = inode.mode & 07777U,
                       .uid = inode.uid,
                       .gid = inode.gid,
                       .mtime = inode.mtime,
                       .mtimeNanoseconds = inode.mtimeNanoseconds};
  if (S_ISDIR(inode.mode)) {
    entry.kind = Kind::Directory;
    entry.attributes = TRY(attributesOf(inode, part));
    TRY(send(entry));
    auto children = TRY(stack_.children(place.seen));
    const std::string prefix = place.path.empty() ? "" : place.path + "/";
    for (auto child = children.rbegin(); child != children.rend(); ++child)
      waiting_.push_back({prefix + child->name, std::move(child->seen)});
    return {};
  }
  if (S_ISLNK(inode.mode)) {
    entry.kind = Kind::Symlink;
    entry.target = TRY(stack_.reader(part).target(inode, part.nid));
    return send(entry);
  }
  if (!S_ISREG(inode.mode)) return malformed();
  return visitFile(place, std::move(entry));
}

Result<void> Walk::visitFile(const Place& place, ipc::TreeEntry entry) {
  const erofs::Inode& inode = place.seen.inode;
  const LayerStack::Part& part = place.seen.parts.front();
  if (inode.links > 1) {
    const auto [first, isFirst] = files_.emplace(part, place.path);
    if (!isFirst) {
      entry.kind = Kind::HardLink;
      entry.target = first->second;
      return send(entry);
    }
  }
  entry.kind = Kind::File;
  entry.size = inode.size;
  entry.attributes = TRY(attributesOf(inode, part));
  TRY(send(entry));
  return stack_.reader(part).content(inode, part.nid, [&](std::span<const std::uint8_t> bytes) {
    return sys::writeAll(pipe_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  });
}

Result<std::uint64_t> Walk::run() {
  waiting_.push_back({"", TRY(stack_.root())});
  while (!waiting_.empty()) {
    const Place place = std::move(waiting_.back());
    waiting_.pop_back();
    TRY(visit(place));
  }
  TRY(sys::writeAll(pipe_, ipc::encodeTreeEntry({.kind = Kind::End})));
  return entries_;
}

}  // namespace

Result<std::uint64_t> streamTree(std::span<const FdRef> layers, FdRef pipe) {
  return Walk(TRY(LayerStack::open(layers)), pipe).run();
}

}  // namespace airlock::verifier
