// SPDX-License-Identifier: Apache-2.0
// What carries the signatures of OCI images, and what is in them: an octet says which reader gets
// the rest.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/limits.h"
#include "verifier/authenticate/claims.h"
#include "verifier/authenticate/public_key.h"
#include "verifier/authenticate/signed_message.h"
#include "verifier/authenticate/sigstore.h"

namespace {

using namespace airlock;
using namespace airlock::verifier;

void expect(bool holds) {
  if (!holds) std::abort();
}

void readClaim(std::string_view text, ClaimFormat format) {
  const auto claim = parseClaim(text, format);
  if (!claim) expect(claim.error().code() == "E_SIG_KIND");
}

void readMessage(std::string_view text) {
  const auto message = parseSignedMessage(text);
  if (!message) return;
  expect(message->content.size() <= limits::kSignatureBytes);
  const auto again = parseSignatureFile(serialize(message->signature));
  expect(again && again->size() == 1 && again->front() == message->signature);
}

void readBundle(std::string_view text) {
  const auto bundle = parseSigstoreBundle(text, LogProofs::Read);
  if (!bundle) return;
  for (const LogEntry& entry : bundle->log) {
    if (entry.inclusion) static_cast<void>(rootOf(entry.body, *entry.inclusion));
  }
}

void readKey(std::string_view text) {
  const auto key = PublicKey::parse(text);
  if (key) expect(key->fingerprint().kind() == KeyFingerprint::Kind::PublicKey);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'c':
      readClaim(text, ClaimFormat::Cosign);
      break;
    case 'a':
      readClaim(text, ClaimFormat::Atomic);
      break;
    case 's':
      static_cast<void>(parseStatement(text));
      break;
    case 'n':
      static_cast<void>(parseCosignAnnotations(text));
      break;
    case 'l':
      static_cast<void>(parseCosignBundle(text));
      break;
    case 'b':
      readBundle(text);
      break;
    case 'm':
      readMessage(text);
      break;
    case 'k':
      readKey(text);
      break;
    default:
      break;
  }
  return 0;
}
