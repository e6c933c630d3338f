// SPDX-License-Identifier: Apache-2.0
// The attestation key below the endorsement key (TPM 2.0 part 1, 9.5).  The measuring process only.
//
// It stays in the TPM at a persistent handle.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tpm/connection.h"
#include "tpm/endorsement.h"
#include "tpm/public_key.h"

namespace airlock::tpm {

// The key at a persistent handle; nullopt: there is none.
Result<std::optional<PublicKey>> readKey(Connection& connection, TPM2_HANDLE handle);
struct LoadedKey {
  Transient object;
  Bytes name;
};
// Makes a new attestation key below `parent`: ECC P-256, RSA 2048 where the TPM lacks that.
Result<LoadedKey> makeAttestationKey(Connection& connection, const EndorsementKey& parent,
                                     const Passwords& passwords);
// Puts `key` at the persistent handle, which is free.
Result<void> keep(Connection& connection, const LoadedKey& key, TPM2_HANDLE handle,
                  const Passwords& passwords);
// Frees the persistent handle, at which `key` is.
Result<void> evict(Connection& connection, const PublicKey& key, TPM2_HANDLE handle,
                   const Passwords& passwords);

// TPM2_ActivateCredential: what whoever knows `endorsement` wrapped for the key at `handle` alone.
// `challenge`: a file of tpm2_makecredential.  E_ATTEST_CHALLENGE unless it is one, and for these
// two keys.
Result<std::string> activate(Connection& connection, const EndorsementKey& endorsement,
                             TPM2_HANDLE handle, std::string_view challenge,
                             const Passwords& passwords);

}  // namespace airlock::tpm
