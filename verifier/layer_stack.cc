// SPDX-License-Identifier: Apache-2.0
#include "verifier/layer_stack.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

namespace airlock::verifier {

Result<LayerStack> LayerStack::open(std::span<const FdRef> layers) {
  LayerStack stack;
  for (const FdRef layer : layers) stack.readers_.push_back(TRY(ErofsReader::open(layer)));
  return stack;
}

Result<std::optional<LayerStack::Seen>> LayerStack::seen(std::span<const Part> candidates) const {
  std::optional<Seen> result;
  for (const Part& part : candidates) {
    const ErofsReader& in = readers_[part.layer];
    const erofs::Inode inode = TRY(in.inode(part.nid));
    const bool isDirectory = S_ISDIR(inode.mode);
    if (!isDirectory) {
      // A directory above hides it, a whiteout is nothing.
      if (!result && !S_ISCHR(inode.mode)) result = Seen{.parts = {part}, .inode = inode};
      break;
    }
    if (!result) result = Seen{.parts = {}, .inode = inode};
    result->parts.push_back(part);
    if (TRY(in.isOpaque(inode, part.nid))) break;
  }
  return result;
}

Result<LayerStack::Seen> LayerStack::root() const {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < readers_.size(); ++i) parts.push_back({i, readers_[i].root()});
  auto found = TRY(seen(parts));
  if (!found || !S_ISDIR(found->inode.mode))
    return refuse(ErrorKind::Invalid, "E_EROFS", "the root of a layer is no directory");
  return *std::move(found);
}

Result<std::vector<LayerStack::Child>> LayerStack::children(const Seen& directory) const {
  std::map<std::string, std::vector<Part>> candidates;
  for (const Part& part : directory.parts) {
    const ErofsReader& in = readers_[part.layer];
    for (auto& [name, nid] : TRY(in.names(TRY(in.inode(part.nid)), part.nid)))
      candidates[std::move(name)].push_back({part.layer, nid});
  }
  std::vector<Child> children;
  for (const auto& [name, parts] : candidates) {
    if (auto found = TRY(seen(parts))) children.push_back({name, *std::move(found)});
  }
  return children;
}

Result<std::optional<LayerStack::Seen>> LayerStack::find(
    std::span<const std::string_view> path) const {
  Seen at = TRY(root());
  for (const std::string_view name : path) {
    if (!S_ISDIR(at.inode.mode)) return std::optional<Seen>();
    std::vector<Part> candidates;
    for (const Part& part : at.parts) {
      const ErofsReader& in = readers_[part.layer];
      const auto names = TRY(in.names(TRY(in.inode(part.nid)), part.nid));
      const auto found = std::ranges::lower_bound(names, name, {}, &ErofsReader::Name::name);
      if (found != names.end() && found->name == name)
        candidates.push_back({part.layer, found->nid});
    }
    auto next = TRY(seen(candidates));
    if (!next) return std::optional<Seen>();
    at = *std::move(next);
  }
  return std::optional(std::move(at));
}

}  // namespace airlock::verifier
