// SPDX-License-Identifier: Apache-2.0
// How sigstore's signatures of an image are carried: annotations beside a payload, or a bundle.
// None of it is signed: what is read here says where the signature is, and nothing else is
// believed. Pure; verifier role authenticate; fuzzed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "verifier/authenticate/log_proof.h"

namespace airlock::verifier {

// Of a layer of the manifest sha256-….sig (cosign's SIGNATURE_SPEC.md).
struct CosignAnnotations {
  std::string signature;  // bytes
  bool keyless = false;   // there is a certificate beside it
  std::string logBundle;  // JSON for parseCosignBundle(); empty: none
};
// E_SIG_KIND.
Result<CosignAnnotations> parseCosignAnnotations(std::string_view json);

struct Envelope {  // DSSE, with its one signature
  std::string payloadType;
  std::string payload;
  std::string signature;
  // What the signature is of.
  std::string preAuthEncoding() const;
};
struct MessageSignature {
  OciDigest digest;  // as the bundle has it
  std::string signature;
};
// Version 0.3 (protobuf-specs, sigstore_bundle.proto).
struct SigstoreBundle {
  bool keyless = false;  // the key is in a certificate
  std::variant<Envelope, MessageSignature> content;
  std::vector<LogEntry> log;
};
enum class LogProofs { Ignored, Read };
// E_SIG_KIND; E_SIG_LOG for a malformed entry of a log.
Result<SigstoreBundle> parseSigstoreBundle(std::string_view json, LogProofs proofs);

}  // namespace airlock::verifier
