// SPDX-License-Identifier: Apache-2.0
// The endorsement key that a TPM was made with (TPM 2.0 part 1, 9.4; TCG EK Credential Profile
// 2.5).  The measuring process only.
//
// It is made anew each time: from the TPM's seed and one template it is always the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "tpm/hierarchy.h"
#include "tpm/public_key.h"
#include "tpm/transient.h"

namespace airlock::tpm {

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

// From NV memory: of the first that is there of the ECC and the RSA key of the low range, the ECC
// and the RSA key of the high range.
Result<std::optional<Certificate>> readCertificate(Connection& connection,
                                                   const Passwords& passwords);
// Makes the endorsement key that the certificate in NV memory is for; without one, ECC P-256 where
// the TPM has it, RSA 2048 otherwise.  By the maker's template and nonce where NV memory has them,
// else by the profile's.  May take a minute on a chip.  E_ATTEST_TEMPLATE: the maker's is none of
// an endorsement key, or of one that we cannot use.
Result<EndorsementKey> makeEndorsementKey(Connection& connection, const Passwords& passwords);

// What has to stand beside a command that uses the endorsement key.
class EndorsementUse {
 public:
  static Result<EndorsementUse> start(Connection& connection, const EndorsementKey& key,
                                      const Passwords& passwords);
  const TSS2L_SYS_AUTH_COMMAND& authorisation() const { return authorisation_; }

 private:
  EndorsementUse() = default;
  std::optional<Transient> session_;
  TSS2L_SYS_AUTH_COMMAND authorisation_ = kEmptyPassword;
};

Result<bool> hasP256(Connection& connection);

}  // namespace airlock::tpm
