// SPDX-License-Identifier: Apache-2.0
#include "store/signers.h"

#include <algorithm>

#include "base/log.h"

namespace airlock::store {

namespace {
// A name that is not known yet is empty.
std::string called(const std::string& name) { return name.empty() ? "the image" : "image " + name; }

Result<void> checkTrusted(const KeyStore& keys, const ImageName& name, const std::string& shown,
                          const std::vector<ipc::Signer>& signers) {
  const auto trusted = TRY(keys.fingerprintsFor(name));
  const bool vouchedFor = std::ranges::any_of(signers, [&](const ipc::Signer& signer) {
    return std::ranges::find(trusted, signer.fingerprint) != trusted.end();
  });
  if (vouchedFor) return {};
  return refuse(ErrorKind::Denied, "E_SIG_UNTRUSTED",
                shown + (signers.empty() ? " was imported without a signature"
                                         : " is signed by " + signers.front().fingerprint.text() +
                                               ", a key that is no longer trusted for this name"),
                "Fetch a signed one, or trust its key: airlock trust --prefix=" + name.text() +
                    " <key file>");
}
}  // namespace

std::unexpected<Error> notSigned(const std::string& name) {
  return refuse(ErrorKind::Denied, "E_SIG_MISSING", called(name) + " has no signature",
                "Sign it (gpg --armor --detach-sign), name one with --signature, or accept it "
                "unverified with "
                "--insecure-options=image where policy allows");
}

Result<std::vector<ipc::Signer>> decideSignatures(const ipc::Authenticated& found,
                                                  const std::vector<KeyFingerprint>& trusted,
                                                  const std::string& name) {
  std::vector<ipc::Signer> signers;
  const ipc::SignatureVerdict* refused = nullptr;
  const auto isTrusted = [&](const ipc::SignatureVerdict& signature) {
    return std::ranges::find(trusted, signature.fingerprint, &KeyFingerprint::text) !=
           trusted.end();
  };
  for (const ipc::SignatureVerdict& signature : found.signatures) {
    if (signature.code == "good" && isTrusted(signature)) {
      const KeyFingerprint key = TRY(KeyFingerprint::parse(signature.fingerprint));
      if (std::ranges::find(signers, key, &ipc::Signer::fingerprint) == signers.end()) {
        signers.push_back({key, signature.userId});
      }
    } else if (refused == nullptr || isTrusted(signature)) {
      refused = &signature;
    }
    // S05: a bad signature by a trusted key is evidence of tampering, whatever the others say.
    if (signature.code == "E_SIG_BAD" && isTrusted(signature)) {
      signers.clear();
      refused = &signature;
      break;
    }
  }
  if (!signers.empty()) return signers;
  if (refused == nullptr) return notSigned(name);

  const std::string key = quoted(refused->fingerprint);
  const std::string& code = refused->code;
  // A prefix has no version.
  const std::string prefix = name.empty() ? "<image name>" : name.substr(0, name.find(':'));
  const std::string trustHint =
      "If you know this key, trust it with: airlock trust --prefix=" + prefix + " <key file>";
  if (code == "E_SIG_BAD") {
    return refuse(ErrorKind::Denied, code,
                  "the signature by " + key + " does not fit " + called(name) +
                      ": the image or the signature was changed after signing",
                  "Do not use it; fetch it again from its publisher");
  }
  if (code == "good") {
    return refuse(
        ErrorKind::Denied, "E_SIG_UNTRUSTED",
        called(name) + " is signed by " + key + ", a key that is not trusted for this name",
        trustHint);
  }
  if (code == "E_SIG_NOKEY") {
    return refuse(
        ErrorKind::Denied, code,
        called(name) + " is not signed by a key you trust for it: the signature names key " + key,
        trustHint);
  }
  const std::string why = code == "E_SIG_KEY_EXPIRED" ? "made by an expired key"
                          : code == "E_SIG_EXPIRED"   ? "expired"
                          : code == "E_SIG_REVOKED"   ? "made by a revoked key"
                          : code == "E_SIG_SUBKEY"    ? "made by a revoked or expired subkey"
                          : code == "E_SIG_HASH" ? "made with a hash that is no longer safe (" +
                                                       quoted(refused->hash) + ")"
                          : code == "E_SIG_USAGE"    ? "made by a key that may not sign"
                          : code == "E_SIG_WEAK_KEY" ? "made by a key that is too weak"
                                                     : "of a kind that is not accepted";
  return refuse(ErrorKind::Denied, code,
                "the signature of " + called(name) + " by " + key + " is " + why,
                "Ask its publisher for a new signature");
}

Result<void> checkSameSigner(const Store& store, const ImageName& name,
                             const std::vector<ipc::Signer>& signers) {
  const auto known = TRY(store.find(name, {}));
  if (!known || known->signers.empty()) return {};
  const bool same = std::ranges::any_of(signers, [&](const ipc::Signer& signer) {
    return std::ranges::find(known->signers, signer.fingerprint, &ipc::Signer::fingerprint) !=
           known->signers.end();
  });
  if (same) return {};
  return refuse(ErrorKind::Denied, "E_SIGNER_CHANGED",
                "the images of " + name.text() + " in the store are signed by " +
                    known->signers.front().fingerprint.text() + ", and this one is " +
                    (signers.empty() ? "not verified" : "not"),
                "If its publisher has a new key, remove the old image first: airlock image rm " +
                    displayName(name, known->labels));
}

Result<void> checkStillTrusted(const KeyStore& keys, const ipc::CatalogRecord& record) {
  const std::string shown = displayName(record.name, record.labels);
  TRY(checkTrusted(keys, record.name, shown, record.signers));
  for (const ipc::Dependency& part : record.dependencies) {
    TRY(checkTrusted(keys, part.name,
                     displayName(part.name, part.labels) + ", which is part of " + shown + ",",
                     part.signers));
  }
  return {};
}

}  // namespace airlock::store
