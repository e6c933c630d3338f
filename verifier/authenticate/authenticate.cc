// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/authenticate.h"

#include <algorithm>

#include "verifier/authenticate/ed25519.h"
#include "verifier/authenticate/openpgp.h"
#include "verifier/authenticate/packets.h"
#include "verifier/authenticate/public_key.h"
#include "verifier/source.h"

namespace airlock::verifier {

bool accepts(std::span<const ipc::SignatureVerdict> verdicts) {
  const auto has = [&](std::string_view code) {
    return std::ranges::find(verdicts, code, &ipc::SignatureVerdict::code) != verdicts.end();
  };
  return has("good") && !has("E_SIG_BAD");
}

Result<ipc::Authenticated> authenticate(FdRef data, std::string_view signature,
                                        const std::vector<ipc::TrustedKey>& keys,
                                        std::int64_t notBefore, const std::string& home) {
  Source source = TRY(Source::from(data));
  ipc::Authenticated result;
  if (looksLikeMinisign(signature)) {
    const MinisignSignature one = TRY(parseMinisignSignature(signature));
    result.signatures.push_back(TRY(verifyMinisign(one, keys, source)));
  } else {
    const auto packets = TRY(parseSignatureFile(signature));
    TRY(prepareGnuPg(home, notBefore));
    result.signatures = TRY(verifyOpenPgp(home, keys, packets, source));
  }
  result.accepted = accepts(result.signatures);
  return result;
}

Result<ipc::KeyFacts> inspectKey(std::string_view file, const std::string& home) {
  if (looksLikeMinisign(file)) {
    const MinisignKey key = TRY(parseMinisignKey(file));
    return ipc::KeyFacts{.fingerprint = TRY(key.fingerprint()), .subkeys = {}, .userIds = {}};
  }
  if (looksLikePublicKey(file)) {
    const PublicKey key = TRY(PublicKey::parse(file));
    return ipc::KeyFacts{
        .fingerprint = key.fingerprint(), .subkeys = {}, .userIds = {key.description()}};
  }
  TRY(prepareGnuPg(home, 0));
  return inspectOpenPgpKey(home, file);
}

}  // namespace airlock::verifier
