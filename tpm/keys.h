// SPDX-License-Identifier: Apache-2.0
// The endorsement key that a TPM was made with and the attestation key below it (TPM 2.0 part 1,
// 9.4 and 9.5; TCG EK Credential Profile 2.5).  The measuring process only.
//
// The endorsement key is made anew each time: from the TPM's seed and the profile's template it is
// always the same.  The attestation key stays in the TPM at a persistent handle.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "tpm/connection.h"
#include "tpm/public_key.h"

namespace airlock::tpm {

// A key or session inside the TPM, taken out of it with the object.  /dev/tpmrm0 would do that at
// the end of the process; a bare swtpm does not, and has room for three.
class Transient {
 public:
  Transient(Connection& connection, TPM2_HANDLE handle)
      : connection_(&connection), handle_(handle) {}
  Transient(Transient&& other) noexcept
      : connection_(other.connection_), handle_(std::exchange(other.handle_, 0)) {}
  Transient& operator=(Transient&&) = delete;
  ~Transient();
  TPM2_HANDLE handle() const { return handle_; }

 private:
  Connection* connection_;
  TPM2_HANDLE handle_;
};

struct Certificate {
  std::uint32_t index = 0;  // of the NV memory that it was read from
  std::string der;
};
struct EndorsementKey {
  Transient object;
  PublicKey key;
  std::string kind;                        // "RSA 2048, template L-1"
  std::optional<Certificate> certificate;  // where there is one for this kind of key
  // The certificate has this very key in it.  Whether it is to be believed is the verifier's to
  // say.
  bool isCertified() const;
};

// From NV memory: of the ECC key, else of the RSA one.
Result<std::optional<Certificate>> readCertificate(Connection& connection);
// Makes the endorsement key that the certificate in NV memory is for, ECC before RSA; without one,
// ECC P-256 where the TPM has it, RSA 2048 otherwise.  May take a minute on a chip.
Result<EndorsementKey> makeEndorsementKey(Connection& connection);

// The key at a persistent handle; nullopt: there is none.
Result<std::optional<PublicKey>> readKey(Connection& connection, TPM2_HANDLE handle);
// Makes a new attestation key below `parent`: ECC P-256, RSA 2048 where the TPM lacks that.
Result<Transient> makeAttestationKey(Connection& connection, const EndorsementKey& parent);
// Puts `key` at the persistent handle, which is free.
Result<void> keep(Connection& connection, const Transient& key, TPM2_HANDLE handle);
// Frees the persistent handle.
Result<void> evict(Connection& connection, TPM2_HANDLE handle);

// TPM2_ActivateCredential: what whoever knows `endorsement` wrapped for the key at `handle` alone.
// `challenge`: a file of tpm2_makecredential.  E_ATTEST_CHALLENGE unless it is one, and for these
// two keys.
Result<std::string> activate(Connection& connection, const EndorsementKey& endorsement,
                             TPM2_HANDLE handle, std::string_view challenge);

}  // namespace airlock::tpm
