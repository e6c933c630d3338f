// SPDX-License-Identifier: Apache-2.0
// What an auditor knows of their own: whom they trust, and which signatures in the evidence are
// good by these keys.  airlock audit verify.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "store/keystore.h"

namespace airlock::cli {

// rkt's layout: a directory with root.d and prefix.d, called trustedkeys, or the one above it.
Result<store::KeyStore> openAuditorsKeys(const std::string& path);

// Has airlock-attest list the signatures that can be verified again, and airlock-verify look at
// each: of OCI images, and of the ACIs whose files are given.  What comes back has the form of
// attest/signers.h.  `evidence` can be read again.
Result<std::string> gatherTrust(const store::KeyStore& keys, FdRef evidence,
                                const std::vector<std::string>& imageFiles);

}  // namespace airlock::cli
