// SPDX-License-Identifier: Apache-2.0
#include "verifier/path_whitelist.h"

#include <algorithm>

namespace airlock::verifier {

namespace {
// What no ".." leads above the root: as if the path were absolute (Go's path.Clean, which appc's
// own renderer uses).
std::string cleaned(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string clean;
  for (const std::string_view part : parts) {
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  return clean;
}
}  // namespace

void PathWhitelist::add(const std::vector<std::string>& list, Of of) {
  if (list.empty()) return;
  List& added = lists_.emplace_back(List{.paths = {}, .of = of});
  for (const std::string& path : list) added.paths.insert(cleaned(path));
}

bool PathWhitelist::keeps(const std::string& path, bool isDirectory) const {
  return std::ranges::all_of(lists_, [&](const List& list) {
    return (isDirectory && list.of == Of::Itself) || list.paths.contains(path);
  });
}

}  // namespace airlock::verifier
