// SPDX-License-Identifier: Apache-2.0
// Several layers as the one tree that overlayfs makes of them (Documentation/filesystems/
// overlayfs.rst).  For the roles extract and unpack.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "verifier/erofs_reader.h"

namespace airlock::verifier {

class LayerStack {
 public:
  // The topmost layer first; each has passed checkTree.  The descriptors must outlive it.
  static Result<LayerStack> open(std::span<const FdRef> layers);

  // One inode of one layer.
  struct Part {
    std::size_t layer;
    ErofsReader::Nid nid;
    bool operator==(const Part&) const = default;
    auto operator<=>(const Part&) const = default;
  };
  // What is seen at a path: a directory consists of every layer's, down to an opaque one; the first
  // has the attributes.  Everything else is one part.
  struct Seen {
    std::vector<Part> parts;
    erofs::Inode inode;
  };
  struct Child {
    std::string name;
    Seen seen;
  };
  Result<Seen> root() const;
  // Sorted by name; without what a layer above has taken away.
  Result<std::vector<Child>> children(const Seen& directory) const;
  // None: there is nothing, or the path goes through something else than directories.
  Result<std::optional<Seen>> find(std::span<const std::string_view> path) const;

  const ErofsReader& reader(const Part& part) const { return readers_[part.layer]; }

 private:
  // What is at `name` when these are the candidates, the topmost first.
  Result<std::optional<Seen>> seen(std::span<const Part> candidates) const;
  std::vector<ErofsReader> readers_;
};

}  // namespace airlock::verifier
