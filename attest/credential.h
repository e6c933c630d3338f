// SPDX-License-Identifier: Apache-2.0
// TPM2_MakeCredential in software (TPM 2.0 Library, Part 1, 24 "Credential Protection"; Part 1,
// annexes B.10.3 and C.6.1): a secret that only the TPM with this endorsement key can read, and
// only for the attestation key with this name.  airlock-attest.
#pragma once

#include <string>
#include <string_view>

#include "attest/certificate.h"
#include "attest/key.h"
#include "base/result.h"

namespace airlock::attest {

struct Challenge {
  std::string file;     // as tpm2_makecredential writes it: magic, version, blob, encrypted seed
  std::string secret;   // 32 random bytes, that the host must send back
  std::string warning;  // what was not shown; empty: the maker of the TPM stands for it
};

// `endorsement` is a certificate (DER or PEM), a TPM2B_PUBLIC or a key in PEM; `attestation` a
// TPM2B_PUBLIC.  E_ATTEST_AK: the key is not one that signs what its TPM says alone.  E_ATTEST_EK,
// E_ATTEST_SOFTWARE: with roots, and the certificate is not of a TPM of theirs.
Result<Challenge> makeChallenge(std::string_view endorsement, std::string_view attestation,
                                const Roots* roots);

// The two structures of the file, for an EK's public key.  `nameBytes` is the AK's name.
Result<std::string> wrapCredential(const Key& endorsement, std::string_view nameBytes,
                                   std::string_view secret);

// KDFa of Part 1, 11.4.10.2, over SHA-256; at most 32 bytes.
std::string kdfA(std::string_view key, std::string_view label, std::string_view contextU,
                 std::string_view contextV, std::size_t bytes);

}  // namespace airlock::attest
