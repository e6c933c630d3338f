// SPDX-License-Identifier: Apache-2.0
#include "store/dependencies.h"

#include <algorithm>
#include <ranges>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::store {

namespace {

std::unexpected<Error> mismatch(const ipc::WantedImage& wanted, const std::string& what) {
  return refuse(ErrorKind::Invalid, "E_DEPENDENCY",
                "the image depends on " + displayName(wanted.name, wanted.labels) + ", and " + what,
                "Ask its publisher for an image whose dependencies are right");
}

}  // namespace

Result<std::optional<ipc::CatalogRecord>> findDependency(const Store& store,
                                                         const ipc::WantedImage& wanted) {
  std::optional<ipc::CatalogRecord> found;
  if (wanted.id.empty()) {
    found = TRY(store.find(wanted.name, wanted.labels));
  } else {
    auto record = store.findByPrefix(wanted.id);
    if (!record && record.error().kind() != ErrorKind::Missing)
      return std::unexpected(std::move(record.error()));
    if (record) found = *std::move(record);
  }
  if (!found) return found;
  if (found->name != wanted.name)
    return mismatch(wanted, "the image of that id is " + found->name.text());
  for (const Label& label : wanted.labels) {
    if (std::ranges::find(found->labels, label) == found->labels.end())
      return mismatch(wanted, "the image of that id has no label " + printable(label.name) + "=" +
                                  printable(label.value));
  }
  if (wanted.size != 0 && wanted.size != found->blobBytes) {
    return mismatch(wanted, "that has " + std::to_string(found->blobBytes) + " bytes instead of " +
                                std::to_string(wanted.size));
  }
  return found;
}

Result<Resolved> resolveDependencies(const Store& store,
                                     const std::vector<ipc::WantedImage>& wanted) {
  Resolved resolved;
  const auto add = [&](ipc::Dependency dependency) -> Result<void> {
    if (resolved.dependencies.size() == limits::kDependencies) {
      return refuse(
          ErrorKind::Invalid, "E_LIMIT",
          "the image depends on more than " + std::to_string(limits::kDependencies) + " images",
          "Ask its publisher for one with fewer");
    }
    resolved.dependencies.push_back(std::move(dependency));
    return {};
  };
  for (const ipc::WantedImage& one : std::views::reverse(wanted)) {
    const auto record = TRY(findDependency(store, one));
    if (!record) {
      resolved.missing.push_back(one);
      continue;
    }
    TRY(add({record->image, record->name, record->labels, record->signers, record->rule, 1}));
    for (ipc::Dependency below : record->dependencies) {
      if (!TRY(store.find(below.image)))
        resolved.missing.push_back({below.name, below.image.text(), below.labels, 0});
      ++below.depth;
      TRY(add(std::move(below)));
    }
  }
  return resolved;
}

}  // namespace airlock::store
