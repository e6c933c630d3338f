// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/vouch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/oci_reference.h"
#include "verifier/authenticate/authenticate.h"
#include "verifier/authenticate/claims.h"
#include "verifier/authenticate/log_proof.h"
#include "verifier/authenticate/openpgp.h"
#include "verifier/authenticate/public_key.h"
#include "verifier/authenticate/signed_message.h"
#include "verifier/authenticate/sigstore.h"
#include "verifier/source.h"

namespace airlock::verifier {

namespace {

constexpr std::string_view kInTotoType = "application/vnd.in-toto+json";

std::unexpected<Error> objection(const char* code, std::string why) {
  return refuse(ErrorKind::Denied, code, std::move(why));
}

std::unexpected<Error> keyless() {
  return objection("E_SIG_KIND",
                   "it was made without a key of its own (keyless), and no authority for such "
                   "certificates is trusted");
}

// Whether a reference has a tag: the reader of references makes one up.
bool hasTag(std::string_view reference) {
  const std::string_view name = reference.substr(0, reference.find('@'));
  const auto slash = name.rfind('/');
  return name.find(':', slash == name.npos ? 0 : slash) != name.npos;
}

// One job's signatures.  Of each a verdict: a refusal that is met on the way is the signature's,
// not the job's.
class Vouching {
 public:
  static Result<Vouching> begin(const ipc::VouchJob& job, const std::vector<ipc::TrustedKey>& keys,
                                const std::string& home);
  // An error is a trusted key that is not what its name says, or GnuPG not doing its work.
  Result<ipc::SignatureVerdict> judge(const ipc::OciSignature& signature);

 private:
  Vouching(const ipc::VouchJob& job, const std::vector<ipc::TrustedKey>& keys,
           const std::string& home)
      : job_(job), trusted_(keys), home_(home) {}

  // These fill the verdict's fingerprint when they know it.
  Result<void> judgeCosign(const ipc::OciSignature& signature,
                           ipc::SignatureVerdict& verdict) const;
  Result<void> judgeBundle(const std::string& json, ipc::SignatureVerdict& verdict) const;
  Result<void> judgeEnvelope(const Envelope& envelope, const SigstoreBundle& bundle,
                             ipc::SignatureVerdict& verdict) const;
  Result<void> judgeMessage(const MessageSignature& message, const SigstoreBundle& bundle,
                            ipc::SignatureVerdict& verdict) const;
  Result<ipc::SignatureVerdict> judgeSimple(const std::string& message);

  Result<void> checkManifest(const OciDigest& named) const;
  enum class Tag { MayBeAbsent, Needed };
  Result<void> checkIdentity(const std::string& reference, Tag tag) const;
  // 0 where no log is trusted for the name.
  Result<std::int64_t> checkLog(const std::vector<LogEntry>& entries, const Logged& logged) const;
  bool isVouchedFor(const OciDigest& digest) const {
    return std::ranges::find(job_.digests, digest) != job_.digests.end();
  }

  const ipc::VouchJob& job_;
  const std::vector<ipc::TrustedKey>& trusted_;
  const std::string& home_;
  std::vector<PublicKey> keys_;
  std::vector<PublicKey> logs_;
  std::vector<ipc::TrustedKey> openPgp_;
  bool gnuPgReady_ = false;
};

Result<Vouching> Vouching::begin(const ipc::VouchJob& job, const std::vector<ipc::TrustedKey>& keys,
                                 const std::string& home) {
  Vouching vouching(job, keys, home);
  for (const ipc::TrustedKey& trusted : keys) {
    const KeyFingerprint::Kind kind = trusted.fingerprint.kind();
    if (kind == KeyFingerprint::Kind::OpenPgp && !trusted.log) vouching.openPgp_.push_back(trusted);
    if (kind != KeyFingerprint::Kind::PublicKey) continue;
    PublicKey key = TRY(
        inContext(PublicKey::parse(trusted.content), "trusted key " + trusted.fingerprint.text()));
    if (key.fingerprint() != trusted.fingerprint) {
      return refuse(ErrorKind::Invalid, "E_KEY",
                    "the file of trusted key " + trusted.fingerprint.text() + " holds another key",
                    "Remove the file, and trust the key again with: airlock trust");
    }
    (trusted.log ? vouching.logs_ : vouching.keys_).push_back(std::move(key));
  }
  return vouching;
}

Result<ipc::SignatureVerdict> Vouching::judge(const ipc::OciSignature& signature) {
  ipc::SignatureVerdict verdict{.code = "good", .hash = "SHA256"};
  Result<void> outcome;
  switch (signature.kind) {
    case ipc::OciSignature::Kind::Cosign:
      verdict.kind = ipc::SignatureKind::Cosign;
      outcome = judgeCosign(signature, verdict);
      break;
    case ipc::OciSignature::Kind::Bundle:
      verdict.kind = ipc::SignatureKind::Bundle;
      outcome = judgeBundle(signature.content, verdict);
      break;
    case ipc::OciSignature::Kind::Simple:
      return judgeSimple(signature.content);
  }
  if (!outcome) {
    verdict.code = outcome.error().code();
    verdict.detail = outcome.error().message();
  }
  return verdict;
}

Result<void> Vouching::checkManifest(const OciDigest& named) const {
  if (isVouchedFor(named)) return {};
  return objection("E_SIG_DIGEST", "it is of the manifest " + ociText(named));
}

Result<void> Vouching::checkIdentity(const std::string& reference, Tag tag) const {
  const auto own = image::repositoryOf(job_.name);
  const auto named = image::parseRegistryImage(reference);
  const auto another = objection("E_SIG_IDENTITY", "it is of " + airlock::quoted(reference));
  if (!own || !named || named->repository != *own) return another;
  if (named->digest && !isVouchedFor(*named->digest)) return another;
  // Whoever asked for a digest gets it under whatever tag.
  if (job_.version.empty()) return {};
  const bool tagged = hasTag(reference);
  if (tagged ? named->tag != job_.version : tag == Tag::Needed) return another;
  return {};
}

Result<std::int64_t> Vouching::checkLog(const std::vector<LogEntry>& entries,
                                        const Logged& logged) const {
  if (logs_.empty()) return 0;
  Result<std::int64_t> outcome = objection("E_SIG_LOG", "it has no proof by a transparency log");
  for (const LogEntry& entry : entries) {
    outcome = verifyLogEntry(entry, logs_, logged);
    if (outcome) break;
  }
  return outcome;
}

Result<void> Vouching::judgeCosign(const ipc::OciSignature& signature,
                                   ipc::SignatureVerdict& verdict) const {
  const CosignAnnotations annotations = TRY(parseCosignAnnotations(signature.annotations));
  const auto key = std::ranges::find_if(keys_, [&](const PublicKey& one) {
    return one.verifies(signature.content, annotations.signature);
  });
  if (key == keys_.end()) {
    if (annotations.keyless) return keyless();
    return objection("E_SIG_NOKEY", "no trusted key made it");
  }
  verdict.fingerprint = key->fingerprint().text();
  const Claim claim = TRY(parseClaim(signature.content, ClaimFormat::Cosign));
  TRY(checkManifest(claim.manifest));
  TRY(checkIdentity(claim.reference, Tag::MayBeAbsent));
  std::vector<LogEntry> entries;
  if (!logs_.empty() && !annotations.logBundle.empty())
    entries.push_back(TRY(parseCosignBundle(annotations.logBundle)));
  verdict.loggedAt = TRY(checkLog(entries, {.document = signature.content,
                                            .documentDigest = {},
                                            .signature = annotations.signature,
                                            .signer = key->fingerprint()}));
  return {};
}

Result<void> Vouching::judgeBundle(const std::string& json, ipc::SignatureVerdict& verdict) const {
  const SigstoreBundle bundle =
      TRY(parseSigstoreBundle(json, logs_.empty() ? LogProofs::Ignored : LogProofs::Read));
  if (bundle.keyless) return keyless();
  if (const auto* envelope = std::get_if<Envelope>(&bundle.content))
    return judgeEnvelope(*envelope, bundle, verdict);
  return judgeMessage(std::get<MessageSignature>(bundle.content), bundle, verdict);
}

Result<void> Vouching::judgeEnvelope(const Envelope& envelope, const SigstoreBundle& bundle,
                                     ipc::SignatureVerdict& verdict) const {
  if (envelope.payloadType != kInTotoType) {
    return objection("E_SIG_KIND", "its envelope holds " + airlock::quoted(envelope.payloadType) +
                                       ", not a statement");
  }
  const std::string covered = envelope.preAuthEncoding();
  const auto key = std::ranges::find_if(
      keys_, [&](const PublicKey& one) { return one.verifies(covered, envelope.signature); });
  if (key == keys_.end()) return objection("E_SIG_NOKEY", "no trusted key made it");
  verdict.fingerprint = key->fingerprint().text();
  const std::vector<Subject> subjects = TRY(parseStatement(envelope.payload));
  const auto subject =
      std::ranges::find_if(subjects, [&](const Subject& one) { return isVouchedFor(one.digest); });
  if (subject == subjects.end()) return checkManifest(subjects.front().digest);
  // in-toto: "_" is the name of what has none.  The format has no place for a tag.
  if (!subject->name.empty() && subject->name != "_")
    TRY(checkIdentity(subject->name, Tag::MayBeAbsent));
  verdict.loggedAt = TRY(checkLog(bundle.log, {.document = envelope.payload,
                                               .documentDigest = {},
                                               .signature = envelope.signature,
                                               .envelope = true,
                                               .signer = key->fingerprint()}));
  return {};
}

Result<void> Vouching::judgeMessage(const MessageSignature& message, const SigstoreBundle& bundle,
                                    ipc::SignatureVerdict& verdict) const {
  bool needsDocument = false;
  for (const PublicKey& key : keys_) {
    const auto verified = key.verifiesDigest(message.digest, message.signature);
    if (!verified) needsDocument = true;
    if (!verified || !*verified) continue;
    verdict.fingerprint = key.fingerprint().text();
    TRY(checkManifest(message.digest));
    verdict.loggedAt = TRY(checkLog(bundle.log, {.document = {},
                                                 .documentDigest = message.digest,
                                                 .signature = message.signature,
                                                 .signer = key.fingerprint()}));
    return {};
  }
  if (!needsDocument) return objection("E_SIG_NOKEY", "no trusted key made it");
  return objection(
      "E_SIG_KIND",
      "a signature of the manifest itself by an Ed25519 key is not accepted: sign with "
      "cosign sign, which wraps it in a statement");
}

Result<ipc::SignatureVerdict> Vouching::judgeSimple(const std::string& message) {
  ipc::SignatureVerdict verdict{.code = "E_SIG_KIND", .kind = ipc::SignatureKind::Simple};
  const auto refused = [&](const Error& error) {
    verdict.code = error.code();
    verdict.detail = error.message();
    return verdict;
  };
  const auto parsed = parseSignedMessage(message);
  if (!parsed) return refused(parsed.error());
  if (!std::exchange(gnuPgReady_, true)) TRY(prepareGnuPg(home_, job_.notBefore));
  Source content = Source::of(parsed->content);
  verdict = TRY(verifyOpenPgp(home_, openPgp_, {&parsed->signature, 1}, content)).front();
  verdict.kind = ipc::SignatureKind::Simple;
  if (verdict.code != "good") return verdict;
  const auto claim = parseClaim(parsed->content, ClaimFormat::Atomic);
  if (!claim) return refused(claim.error());
  if (auto held = checkManifest(claim->manifest); !held) return refused(held.error());
  if (auto held = checkIdentity(claim->reference, Tag::Needed); !held) return refused(held.error());
  return verdict;
}

// What decides comes first, for a reply has room for limits::kSignatures of them: those that are
// bad, those that are good, and the others.
int rank(const ipc::SignatureVerdict& verdict) {
  if (verdict.code == "E_SIG_BAD") return 0;
  if (verdict.code == "good") return 1;
  return verdict.fingerprint.empty() ? 3 : 2;
}

}  // namespace

Result<ipc::Authenticated> vouch(const ipc::VouchJob& job,
                                 const std::vector<ipc::OciSignature>& signatures,
                                 const std::vector<ipc::TrustedKey>& keys,
                                 const std::string& home) {
  Vouching vouching = TRY(Vouching::begin(job, keys, home));
  ipc::Authenticated result;
  for (const ipc::OciSignature& signature : signatures)
    result.signatures.push_back(TRY(vouching.judge(signature)));
  std::ranges::stable_sort(result.signatures, {}, rank);
  if (result.signatures.size() > limits::kSignatures) result.signatures.resize(limits::kSignatures);
  result.accepted = accepts(result.signatures);
  return result;
}

}  // namespace airlock::verifier
