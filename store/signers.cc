// SPDX-License-Identifier: Apache-2.0
#include "store/signers.h"

#include <algorithm>

#include "base/log.h"

namespace airlock::store {

namespace {
// A prefix has no version.
std::string prefixOf(const std::string& name) {
  return name.empty() ? "<image name>" : name.substr(0, name.find(':'));
}

// For an image that nobody we trust vouches for.
std::string waysForward(const std::string& name, const std::string& image) {
  return "Fetch one that its publisher has signed; or have the administrator trust its key "
         "(airlock "
         "trust --prefix=" +
         prefixOf(name) +
         " <key file>) or pin this image in the policy "
         "(signer=any digest=" +
         image +
         "); or accept it unverified with "
         "--insecure-options=image where policy allows";
}

// A name that is not known yet is empty.
std::string called(const std::string& name) { return name.empty() ? "the image" : "image " + name; }

// How a refusal ends: "the signature of image x by key y …".
std::string reasonOf(const ipc::SignatureVerdict& verdict) {
  const std::string& code = verdict.code;
  if (code == "E_SIG_KEY_EXPIRED") return "is made by an expired key";
  if (code == "E_SIG_EXPIRED") return "is expired";
  if (code == "E_SIG_REVOKED") return "is made by a revoked key";
  if (code == "E_SIG_SUBKEY") return "is made by a revoked or expired subkey";
  if (code == "E_SIG_HASH")
    return "is made with a hash that is no longer safe (" + quoted(verdict.hash) + ")";
  if (code == "E_SIG_USAGE") return "is made by a key that may not sign";
  if (code == "E_SIG_WEAK_KEY") return "is made by a key that is too weak";
  if (code == "E_SIG_DIGEST") return "is good, but of another manifest than this image's";
  if (code == "E_SIG_IDENTITY") return "is good, but of another repository or tag";
  if (code == "E_SIG_LOG") return "is not proved to be in a transparency log that is trusted";
  return "is of a kind that is not accepted";
}

std::unexpected<Error> refusalOf(const ipc::SignatureVerdict& refused, const std::string& name) {
  const std::string key = quoted(refused.fingerprint);
  const std::string& code = refused.code;
  const std::string trustHint =
      "If you know this key, trust it with: airlock trust --prefix=" + prefixOf(name) +
      " <key file>";
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
    const bool named = !refused.fingerprint.empty();
    return refuse(ErrorKind::Denied, code,
                  called(name) + " is not signed by a key you trust for it" +
                      (named ? ": the signature names key " + key : ""),
                  named
                      ? trustHint
                      : "If you know its publisher's key, trust it with: airlock trust --prefix=" +
                            prefixOf(name) + " <key file>");
  }
  return refuse(ErrorKind::Denied, code,
                "the signature of " + called(name) +
                    (refused.fingerprint.empty() ? "" : " by " + key) + " " + reasonOf(refused) +
                    (refused.detail.empty() ? "" : ": " + printable(refused.detail)),
                "Ask its publisher for a new signature");
}
}  // namespace

std::unexpected<Error> notSigned(const std::string& name) {
  return refuse(ErrorKind::Denied, "E_SIG_MISSING", called(name) + " has no signature",
                "Sign it (gpg --armor --detach-sign), name one with --signature, or accept it "
                "unverified with "
                "--insecure-options=image where policy allows");
}

std::unexpected<Error> notSigned(const std::string& name, const ImageId& image) {
  return refuse(ErrorKind::Denied, "E_SIG_MISSING", called(name) + " has no signature",
                waysForward(name, image.text()));
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
      const ipc::Signer signer{TRY(KeyFingerprint::parse(signature.fingerprint)), signature.userId,
                               signature.kind};
      const auto same = [&](const ipc::Signer& one) {
        return one.fingerprint == signer.fingerprint && one.kind == signer.kind;
      };
      if (std::ranges::none_of(signers, same)) signers.push_back(signer);
    } else if (refused == nullptr || (isTrusted(signature) && !isTrusted(*refused))) {
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

  return refusalOf(*refused, name);
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

}  // namespace airlock::store
