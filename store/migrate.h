// SPDX-License-Identifier: Apache-2.0
// The format of a store, and how an older one becomes ours (docs/store-layout.md, "Versions").  For
// store/store.cc and tests.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "ipc/records.h"

namespace airlock::store {

// For the store's owner: brings it, format by format, to kFormatVersion; a new one gets its
// VERSION. Each step can be repeated, and VERSION changes when all are on disk: a crash at any
// point leaves a store that the next opening migrates.  E_STORE: a newer engine wrote it, or its
// format is no number; nothing was changed then.
Result<void> migrate(FdRef top, FdRef store);

// For readers, who change nothing.  E_STORE when the format is newer than this engine.
Result<void> checkReadable(FdRef top);

// Notes an image in the index by name.
Result<void> indexImage(FdRef index, const ipc::CatalogRecord& record);

}  // namespace airlock::store
