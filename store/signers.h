// SPDX-License-Identifier: Apache-2.0
// Whose signatures count for an image: when it is imported, and when it is started.  The store's
// owner.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ipc/records.h"
#include "ipc/verify_messages.h"
#include "store/keystore.h"
#include "store/store.h"

namespace airlock::store {

// E_SIG_MISSING; `name` is empty where it is not known.
std::unexpected<Error> notSigned(const std::string& name);
// Of an OCI image, whose digest is known: with all ways forward.
std::unexpected<Error> notSigned(const std::string& name, const ImageId& image);

// What an authenticate role's findings mean for an image of this name ("": not known): its signers,
// or the refusal.  A key is there once for each kind of signature that it has made.
Result<std::vector<ipc::Signer>> decideSignatures(const ipc::Authenticated& found,
                                                  const std::vector<KeyFingerprint>& trusted,
                                                  const std::string& name);

// A name does not silently move from one signer to another, or to none: an image that claims a name
// of the store is signed by a key that has signed it before, or the administrator makes room for
// it.  E_SIGNER_CHANGED.
Result<void> checkSameSigner(const Store& store, const ImageName& name,
                             const std::vector<ipc::Signer>& signers);

}  // namespace airlock::store
