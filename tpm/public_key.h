// SPDX-License-Identifier: Apache-2.0
// Public areas of keys: what kind they are, their names, and their spellings for the world outside.
// The measuring process only.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string>

#include "base/result.h"
#include "tpm/hash.h"

namespace airlock::tpm {

struct PublicKey {
  TPM2B_PUBLIC area{};
  Bytes name;  // nameAlg, and its hash of the area (TPM 2.0 part 1, 16)
};

// `name` as the TPM gave it; E_TPM_RESPONSE unless it is that of the area.
Result<PublicKey> publicKey(const TPM2B_PUBLIC& area, const TPM2B_NAME& name, const char* command);
// The bytes of a TPM2B_PUBLIC, as tpm2-tools write them to files.
Result<std::string> encode(const TPM2B_PUBLIC& area);
// SubjectPublicKeyInfo in PEM (RFC 5480, RFC 8017): what openssl takes.
Result<std::string> pem(const TPM2B_PUBLIC& area);
// "sha256-…" of the SubjectPublicKeyInfo: how verifiers tell keys apart.
Result<std::string> fingerprint(const TPM2B_PUBLIC& area);
// "ECC P-256, ECDSA with SHA-256"
std::string describe(const TPM2B_PUBLIC& area);
// The modulus, or the point's coordinates, as they stand in a certificate.
std::string rawKey(const TPM2B_PUBLIC& area);
// It signs what its TPM says of itself, and nothing else; it was made in that TPM and cannot leave
// it.
bool isAttestationKey(const TPM2B_PUBLIC& area);

}  // namespace airlock::tpm
