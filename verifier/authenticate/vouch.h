// SPDX-License-Identifier: Apache-2.0
// Decides which signatures of an OCI image are good: cosign's, sigstore's bundles, and the simple
// signatures of containers.  Verifier role authenticate.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ipc/verify_messages.h"

namespace airlock::verifier {

// A verdict for each of them; of more than limits::kSignatures for those that decide.  Good is one
// by one of `keys` whose payload names one of the job's digests and, where its kind names one, the
// job's repository and version; and that a transparency log has, where `keys` has one of a log.
// Nothing of a payload is read before its signature is known to be good.  `home` as for
// authenticate().  An error is a trusted key that is not what its name says (E_KEY).
Result<ipc::Authenticated> vouch(const ipc::VouchJob& job,
                                 const std::vector<ipc::OciSignature>& signatures,
                                 const std::vector<ipc::TrustedKey>& keys, const std::string& home);

}  // namespace airlock::verifier
