// SPDX-License-Identifier: Apache-2.0
// Which paths of one image get into a rendered tree (appc spec, "pathWhitelist"): the intersection
// of all lists from the root of the dependencies down to the image.  For the role unpack.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace airlock::verifier {

class PathWhitelist {
 public:
  // Whose list it is.  A directory of the image itself needs no place in its own list; in the list
  // of an image that depends on it, everything does.
  enum class Of { Itself, Dependent };
  // An empty list is the same as none.  Entries are paths from the root of the tree, cleaned here
  // ("/a/../b//c/" is "b/c").
  void add(const std::vector<std::string>& list, Of of);

  // `path` is relative to the root of the tree, "" for the root itself.
  bool keeps(const std::string& path, bool isDirectory) const;

 private:
  struct List {
    std::unordered_set<std::string> paths;
    Of of;
  };
  std::vector<List> lists_;
};

}  // namespace airlock::verifier
