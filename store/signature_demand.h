// SPDX-License-Identifier: Apache-2.0
// What a rule of the policy demands of an image's signatures (airlock-policy(5), "signers=",
// "kinds=", "digest="), and whether a stored image or one that comes in meets it.  The store's
// owner.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "ipc/records.h"
#include "ipc/signature_kind.h"
#include "store/keystore.h"

namespace airlock::store {

struct SignatureDemand {
  std::uint32_t signers = 1;              // different keys, each trusted for the name today
  std::vector<ipc::SignatureKind> kinds;  // that count; empty: every kind
  std::vector<ImageId> digests;           // not empty: the image is one of these

  // Takes one key=value of a rule.  False: the key is none of ours.
  Result<bool> read(std::string_view key, std::string_view value);
  // More than the one signature of whatever kind that every rule asks for.
  bool asksForMore() const { return signers > 1 || !kinds.empty(); }
  // By its digest the administrator vouches for the image itself.
  bool pins(const ImageId& image) const;
  // Or the index that it was chosen from.
  bool pins(const ipc::CatalogRecord& record) const;
};

// Are an image and all that it was rendered with what the demand asks for, by the keys of today?
// `unsignedToo`: signatures do not matter, the image's digest still does.  E_SIG_PIN,
// E_SIG_UNTRUSTED, E_SIG_THRESHOLD.
Result<void> checkDemand(const SignatureDemand& demand, const KeyStore& keys,
                         const ipc::CatalogRecord& record, bool unsignedToo);

// "example.com/app:1 is signed by sha256-… (cosign)", for `policy explain`.
std::string saySigners(const ipc::CatalogRecord& record);

// Of an older record the kind is what the key's fingerprint says.
ipc::SignatureKind kindOf(const ipc::Signer& signer);

}  // namespace airlock::store
