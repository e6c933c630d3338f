// SPDX-License-Identifier: Apache-2.0
// Which stored images an image needs, in the order in which appc renders them.  The store's owner,
// and the CLI to see whether that has changed.
#pragma once

#include <vector>

#include "base/result.h"
#include "ipc/records.h"
#include "ipc/wanted_image.h"
#include "store/store.h"

namespace airlock::store {

// The stored image that a dependency means: by its id where that is given, else the newest of that
// name with those labels.  None: it has to be fetched.  E_DEPENDENCY: the store has an image of
// that id, and it is not what the manifest says it is.
Result<std::optional<ipc::CatalogRecord>> findDependency(const Store& store,
                                                         const ipc::WantedImage& wanted);

struct Resolved {
  std::vector<ipc::Dependency> dependencies;  // behind the image itself, as the tree has them
  std::vector<ipc::WantedImage> missing;      // not empty: the list above is not whole
};
// Each dependency directly after the image that asks for it, so that later ones come first; what
// those depend on is what they were rendered with themselves.  E_LIMIT beyond
// limits::kDependencies.
Result<Resolved> resolveDependencies(const Store& store,
                                     const std::vector<ipc::WantedImage>& wanted);

}  // namespace airlock::store
