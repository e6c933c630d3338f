// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/sigstore.h"

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "verifier/authenticate/json_members.h"

namespace airlock::verifier {

using image::Json;

namespace {

constexpr std::size_t kLogEntries = 8;

Result<Envelope> readEnvelope(const Json& from) {
  const Json& signatures = TRY(listMember(from, "signatures", 1));
  if (signatures.empty()) return notUnderstood("the envelope has no signature");
  return Envelope{.payloadType = TRY(textMember(from, "payloadType")),
                  .payload = TRY(bytesMember(from, "payload")),
                  .signature = TRY(bytesMember(signatures.front(), "sig"))};
}

Result<MessageSignature> readMessage(const Json& from) {
  const Json& digest = TRY(objectMember(from, "messageDigest"));
  const std::string algorithm = TRY(textMember(digest, "algorithm"));
  if (algorithm != "SHA2_256")
    return notUnderstood("the digest of what is signed is " + airlock::quoted(algorithm));
  const std::string bytes = TRY(bytesMember(digest, "digest"));
  const auto parsed =
      OciDigest::fromBytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  if (!parsed) return notUnderstood("the digest of what is signed has a wrong length");
  return MessageSignature{.digest = *parsed, .signature = TRY(bytesMember(from, "signature"))};
}

Result<bool> readKeyless(const Json& material) {
  const bool publicKey = material.contains("publicKey");
  const bool certificate =
      material.contains("certificate") || material.contains("x509CertificateChain");
  if (publicKey == certificate)
    return notUnderstood("it is not said whether a key or a certificate verifies it");
  return certificate;
}

}  // namespace

Result<CosignAnnotations> parseCosignAnnotations(std::string_view json) {
  const Json document = TRY(parseSigned(json, "the annotations"));
  CosignAnnotations result{
      .signature = TRY(bytesMember(document, "dev.cosignproject.cosign/signature")),
      .keyless = false,
      .logBundle = {}};
  const auto textAt = [&](const char* key) -> Result<std::string> {
    return document.contains(key) ? textMember(document, key) : "";
  };
  result.keyless = !TRY(textAt("dev.sigstore.cosign/certificate")).empty();
  result.logBundle = TRY(textAt("dev.sigstore.cosign/bundle"));
  return result;
}

std::string Envelope::preAuthEncoding() const {
  return "DSSEv1 " + std::to_string(payloadType.size()) + " " + payloadType + " " +
         std::to_string(payload.size()) + " " + payload;
}

Result<SigstoreBundle> parseSigstoreBundle(std::string_view json, LogProofs proofs) {
  const Json document = TRY(parseSigned(json, "the bundle"));
  const std::string type = TRY(textMember(document, "mediaType"));
  if (type != "application/vnd.dev.sigstore.bundle.v0.3+json" &&
      type != "application/vnd.dev.sigstore.bundle+json;version=0.3") {
    return notUnderstood("it is a bundle of type " + airlock::quoted(type));
  }
  const Json& material = TRY(objectMember(document, "verificationMaterial"));
  SigstoreBundle bundle{.keyless = TRY(readKeyless(material)), .content = Envelope{}, .log = {}};
  if (document.contains("dsseEnvelope") == document.contains("messageSignature"))
    return notUnderstood("it has not one signature");
  if (document.contains("dsseEnvelope")) {
    bundle.content = TRY(readEnvelope(TRY(objectMember(document, "dsseEnvelope"))));
  } else {
    bundle.content = TRY(readMessage(TRY(objectMember(document, "messageSignature"))));
  }
  if (proofs == LogProofs::Ignored || !material.contains("tlogEntries")) return bundle;
  const Json& entries = TRY(listMember(material, "tlogEntries", kLogEntries));
  for (const Json& entry : entries) bundle.log.push_back(TRY(parseBundleEntry(entry)));
  return bundle;
}

}  // namespace airlock::verifier
