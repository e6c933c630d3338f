// SPDX-License-Identifier: Apache-2.0
// From somebody's descriptor to a verified image that is ready to be committed
// (docs/architecture.md, section 3). The helper imports into root's store, the CLI into a user's
// own, with this same code.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/helper_messages.h"
#include "ipc/records.h"
#include "store/keystore.h"
#include "store/roles.h"
#include "store/store.h"

namespace airlock::store {

struct ImportInput {
  FdRef image;  // a regular file or a pipe; read once, never again
  std::optional<FdRef> signature;
  std::optional<ImageName> name;  // what was asked for
  std::vector<Label> labels;
  std::string origin;
  bool skipSignature = false;
  std::uint32_t importerUid = 0;
};

// Whether an image may be kept, asked when its signature has been looked at: the line that says so,
// or the refusal.  Of the record its image, name, labels and signers are known.
using MayKeep = std::function<Result<std::string>(const ipc::CatalogRecord&)>;
using ImportOutcome = std::variant<ipc::Imported, ipc::DependenciesMissing>;

// Copies, hashes, authenticates, inflates, unpacks, renders and checks; everything lies in unnamed
// files of the store, and is gone when one step fails.  Then all of it is committed.  Refusals:
// E_SIG_*, E_NAME, E_FILTER, E_RATIO, E_LIMIT, … each with what to do.  An image that needs others
// which the store does not have is refused with their list, and may come again when they are there.
Result<ImportOutcome> importImage(Store& store, const RoleStarter& starter, const KeyStore& keys,
                                  const ImportInput& input, const MayKeep& mayKeep);

// Re-reads what the store has of an image: is the tree the recorded one, do the kept bytes still
// verify with the keys of today (`airlock image verify`)?
Result<ipc::ImageVerified> verifyStored(const Store& store, const RoleStarter& starter,
                                        const KeyStore& keys, const ipc::CatalogRecord& record);

}  // namespace airlock::store
