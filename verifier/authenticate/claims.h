// SPDX-License-Identifier: Apache-2.0
// What the signatures of OCI images say once they are known to be good: which manifest, of which
// repository.  Pure; verifier role authenticate; fuzzed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace airlock::verifier {

// Two formats share one shape (containers-signature(5); cosign's SIGNATURE_SPEC.md).
enum class ClaimFormat {
  Cosign,  // type "cosign container image signature"; `optional` may be null or absent
  Atomic   // type "atomic container signature", of containers
};
struct Claim {
  OciDigest manifest;
  std::string reference;  // "registry.example/team/web:1.2"
};
// Exactly the members that the format knows, each once: what is critical and not understood refuses
// the whole.  E_SIG_KIND.
Result<Claim> parseClaim(std::string_view json, ClaimFormat format);

// A subject of an in-toto statement that has a SHA-256.
struct Subject {
  std::string name;  // often empty, or "_"
  OciDigest digest;
};
// The statement that cosign signs for an image (predicate type
// https://sigstore.dev/cosign/sign/v1), version 0.1 or 1.  Of any other predicate: E_SIG_KIND, for
// an SBOM's signer does not vouch.
Result<std::vector<Subject>> parseStatement(std::string_view json);

}  // namespace airlock::verifier
