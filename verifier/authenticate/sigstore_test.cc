// SPDX-License-Identifier: Apache-2.0
// Sigstore bundles, and proofs by transparency logs.
#include "verifier/authenticate/sigstore.h"

#include <gtest/gtest.h>

#include "verifier/authenticate/signing_for_test.h"
#include "verifier/authenticate/vouch.h"

namespace airlock::verifier {
namespace {

constexpr std::int64_t kLoggedAt = 1'700'000'000;

std::string textOf(const TreeHash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}
TreeHash hashOf(std::string_view bytes) { return sha256Of(bytes).bytes(); }

std::string statementOf(std::string_view digest, const std::string& subject = "") {
  return R"({"_type":"https://in-toto.io/Statement/v1","subject":[{)" + subject +
         R"("digest":{"sha256":")" + std::string(digest) +
         R"("}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}})";
}

class Sigstore : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    keys_ = std::make_unique<SigningKeys>();
    homes_ = std::make_unique<Scratch>();
  }
  static void TearDownTestSuite() {
    keys_.reset();
    homes_.reset();
  }
  void SetUp() override {
    trusted_ = {keys_->trusted("p256"), keys_->trusted("ed25519"), keys_->trusted("rsa")};
  }
  void trustTheLog() { trusted_.push_back(keys_->trustedLog("log")); }
  ipc::SignatureVerdict judge(const ipc::OciSignature& signature) const {
    const auto found = vouch(webJob(), {signature}, trusted_, homes_->emptyDirectory());
    EXPECT_TRUE(found) << found.error().text();
    if (!found || found->signatures.size() != 1) return {.code = "none"};
    return found->signatures.front();
  }
  std::string codeOf(const ipc::OciSignature& signature) const { return judge(signature).code; }

  static std::string manifestHex() { return sha256Of(kManifestBytes).hex(); }
  static std::string signEnvelope(const std::string& payload, const std::string& key,
                                  const std::string& type = "application/vnd.in-toto+json") {
    return keys_->sign(
        key, Envelope{.payloadType = type, .payload = payload, .signature = {}}.preAuthEncoding());
  }
  static ipc::OciSignature bundle(const std::string& content, const std::string& entries = "",
                                  const std::string& material = R"("publicKey":{"hint":"x"})") {
    return {.kind = ipc::OciSignature::Kind::Bundle,
            .content = R"({"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",)"
                       R"("verificationMaterial":{)" +
                       material + R"(,"tlogEntries":[)" + entries + "]}," + content + "}"};
  }
  static std::string envelope(const std::string& payload, const std::string& signature,
                              const std::string& type = "application/vnd.in-toto+json") {
    return R"("dsseEnvelope":{"payload":")" + base64(payload) + R"(","payloadType":")" + type +
           R"(","signatures":[{"sig":")" + base64(signature) + R"(","keyid":""}]})";
  }
  static ipc::OciSignature enveloped(const std::string& payload, const std::string& key = "p256") {
    return bundle(envelope(payload, signEnvelope(payload, key)));
  }
  static std::string message(const OciDigest& digest, const std::string& signature) {
    const std::string bytes(reinterpret_cast<const char*>(digest.bytes().data()), 32);
    return R"("messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":")" +
           base64(bytes) + R"("},"signature":")" + base64(signature) + R"("})";
  }

  // --- the log
  static std::string logId() { return keys_->trusted("log").fingerprint.text().substr(7); }
  static std::string promise(const std::string& body, const std::string& key = "log") {
    return keys_->sign(key, R"({"body":")" + base64(body) + R"(","integratedTime":)" +
                                std::to_string(kLoggedAt) + R"(,"logID":")" + logId() +
                                R"(","logIndex":42})");
  }
  static std::string recordOf(const std::string& document, const std::string& signature,
                              const std::string& key = "p256",
                              const std::string& kind = "hashedrekord") {
    return R"({"apiVersion":"0.0.1","kind":")" + kind +
           R"(","spec":{"data":{"hash":{"algorithm":"sha256","value":")" +
           sha256Of(document).hex() + R"("}},"signature":{"content":")" + base64(signature) +
           R"(","publicKey":{"content":")" + base64(keys_->publicKey(key)) + R"("}}}})";
  }
  static std::string dsseRecord(const std::string& payload, const std::string& signature) {
    return R"({"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256",)"
           R"("value":"00"},"payloadHash":{"algorithm":"sha256","value":")" +
           sha256Of(payload).hex() + R"("},"signatures":[{"signature":")" + base64(signature) +
           R"(","verifier":")" + base64(keys_->publicKey("p256")) + R"("}]}})";
  }
  static std::string logged(const std::string& body, const std::string& set) {
    std::string inner = R"({"SignedEntryTimestamp":")" + base64(set) + R"(","Payload":{"body":")" +
                        base64(body) + R"(","integratedTime":)" + std::to_string(kLoggedAt) +
                        R"(,"logIndex":42,"logID":")" + logId() + R"("}})";
    std::string escaped;
    for (const char c : inner) escaped += c == '"' ? "\\\"" : std::string(1, c);
    return R"(,"dev.sigstore.cosign/bundle":")" + escaped + "\"";
  }
  static std::string rawLogId() {
    std::string raw;
    for (std::size_t i = 0; i < 64; i += 2)
      raw += static_cast<char>(std::stoi(logId().substr(i, 2), nullptr, 16));
    return raw;
  }
  static std::string entry(const std::string& body, const std::string& proof) {
    return R"({"logIndex":"42","logId":{"keyId":")" + base64(rawLogId()) +
           R"("},"kindVersion":{"kind":"dsse","version":"0.0.1"},"integratedTime":")" +
           std::to_string(kLoggedAt) + R"(",)" + proof + R"("canonicalizedBody":")" + base64(body) +
           R"("})";
  }
  static std::string promiseField(const std::string& set) {
    return R"("inclusionPromise":{"signedEntryTimestamp":")" + base64(set) + R"("},)";
  }
  // Of the second of three leaves.
  static std::string inclusionField(const std::string& body, const std::string& signer,
                                    std::string_view size = "3") {
    const TreeHash first = hashOf(std::string("\0first", 6));
    const TreeHash third = hashOf(std::string("\0third", 6));
    const TreeHash leaf = hashOf(std::string(1, '\0') + body);
    const TreeHash pair = hashOf("\1" + textOf(first) + textOf(leaf));
    const std::string root = base64(textOf(hashOf("\1" + textOf(pair) + textOf(third))));
    const std::string note = "log.example\n" + std::string(size) + "\n" + root + "\n";
    const std::string signature = "hint" + keys_->sign(signer, note);
    std::string checkpoint = note + "\n\u2014 log.example " + base64(signature) + "\n";
    std::string escaped;
    for (const char c : checkpoint) escaped += c == '\n' ? "\\n" : std::string(1, c);
    return R"("inclusionProof":{"logIndex":"1","treeSize":"3","rootHash":")" + root +
           R"(","hashes":[")" + base64(textOf(first)) + R"(",")" + base64(textOf(third)) +
           R"("],"checkpoint":{"envelope":")" + escaped + R"("}},)";
  }

  std::vector<ipc::TrustedKey> trusted_;
  static inline std::unique_ptr<SigningKeys> keys_;
  static inline std::unique_ptr<Scratch> homes_;
};

TEST_F(Sigstore, ABundleWithAStatementOfTheManifestIsGood) {
  for (const char* key : {"p256", "ed25519", "rsa"}) {
    const auto verdict = judge(enveloped(statementOf(manifestHex()), key));
    EXPECT_EQ(verdict.code, "good") << key << verdict.detail;
    EXPECT_EQ(verdict.kind, ipc::SignatureKind::Bundle);
    EXPECT_EQ(verdict.fingerprint, keys_->trusted(key).fingerprint.text());
  }
  std::string old = statementOf(manifestHex());
  old.replace(old.find("/v1"), 3, "/v0.1");
  EXPECT_EQ(codeOf(enveloped(old)), "good");
}

TEST_F(Sigstore, AStatementOfSomethingElseVouchesForNothing) {
  const std::string good = statementOf(manifestHex());
  EXPECT_EQ(codeOf(enveloped(statementOf(sha256Of("another").hex()))), "E_SIG_DIGEST");
  EXPECT_EQ(codeOf(enveloped(statementOf("00"))), "E_SIG_KIND");
  std::string sbom = good;
  sbom.replace(sbom.find("https://sigstore.dev/cosign/sign/v1"), 35, "https://spdx.dev/Document");
  EXPECT_EQ(codeOf(enveloped(sbom)), "E_SIG_KIND");
  EXPECT_EQ(codeOf(enveloped("{" + good.substr(1, good.size() - 2) + R"(,"predicateType":"x"})")),
            "E_SIG_KIND");
  EXPECT_EQ(codeOf(bundle(envelope(good, signEnvelope(good, "p256", "text/plain"), "text/plain"))),
            "E_SIG_KIND");
  // The payload alone is signed, or its envelope has another type than was signed.
  EXPECT_EQ(codeOf(bundle(envelope(good, keys_->sign("p256", good)))), "E_SIG_NOKEY");
  EXPECT_EQ(codeOf(bundle(envelope(good, signEnvelope(good, "p256", "text/plain")))),
            "E_SIG_NOKEY");
  EXPECT_EQ(codeOf(enveloped(good, "other")), "E_SIG_NOKEY");
}

TEST_F(Sigstore, ANameInAStatementIsTheRepositorys) {
  const auto named = [](const std::string& name) {
    return statementOf(manifestHex(), R"("name":")" + name + R"(",)");
  };
  EXPECT_EQ(codeOf(enveloped(named("_"))), "good");
  EXPECT_EQ(codeOf(enveloped(named("registry.example:5000/team/web"))), "good");
  EXPECT_EQ(codeOf(enveloped(named("registry.example:5000/team/other"))), "E_SIG_IDENTITY");
}

TEST_F(Sigstore, ASignatureOfTheManifestItselfIsGoodWhereItsDigestIsSigned) {
  const OciDigest digest = sha256Of(kManifestBytes);
  const std::string bytes(kManifestBytes);
  EXPECT_EQ(codeOf(bundle(message(digest, keys_->sign("p256", bytes)))), "good");
  EXPECT_EQ(codeOf(bundle(message(digest, keys_->sign("rsa", bytes)))), "good");
  EXPECT_EQ(codeOf(bundle(message(digest, keys_->sign("ed25519", bytes)))), "E_SIG_KIND");
  EXPECT_EQ(codeOf(bundle(message(sha256Of("x"), keys_->sign("p256", "x")))), "E_SIG_DIGEST");
  // The digest of one and the signature of another.
  trusted_ = {keys_->trusted("p256")};
  EXPECT_EQ(codeOf(bundle(message(digest, keys_->sign("p256", "x")))), "E_SIG_NOKEY");
}

TEST_F(Sigstore, ABundleOfAnotherShapeIsNoSignature) {
  const std::string statement = statementOf(manifestHex());
  const std::string good = envelope(statement, signEnvelope(statement, "p256"));
  EXPECT_EQ(codeOf(bundle(good, "", R"("certificate":{"rawBytes":"AA=="})")), "E_SIG_KIND");
  EXPECT_EQ(codeOf(bundle(good, "", R"("x":1)")), "E_SIG_KIND");
  EXPECT_EQ(codeOf(bundle(good + "," + message(sha256Of("x"), "x"))), "E_SIG_KIND");
  EXPECT_EQ(codeOf(bundle(R"("x":1)")), "E_SIG_KIND");
  EXPECT_EQ(codeOf(bundle(good + "," + good)), "E_SIG_KIND");
  ipc::OciSignature other = bundle(good);
  other.content.replace(other.content.find("v0.3"), 4, "v0.4");
  EXPECT_EQ(codeOf(other), "E_SIG_KIND");
  other.content = "x";
  EXPECT_EQ(codeOf(other), "E_SIG_KIND");
}

TEST_F(Sigstore, ALogsPromiseIsCheckedWhereALogIsTrusted) {
  const std::string claim = cosignClaim();
  const std::string signature = keys_->sign("p256", claim);
  const std::string body = recordOf(claim, signature);
  const auto good = cosign(claim, signature, logged(body, promise(body)));
  EXPECT_EQ(judge(good).loggedAt, 0);
  trustTheLog();
  EXPECT_EQ(judge(good).code, "good") << judge(good).detail;
  EXPECT_EQ(judge(good).loggedAt, kLoggedAt);
  const std::string old = recordOf(claim, signature, "p256", "rekord");
  EXPECT_EQ(codeOf(cosign(claim, signature, logged(old, promise(old)))), "good");
  EXPECT_EQ(codeOf(cosign(claim, signature)), "E_SIG_LOG");
  EXPECT_EQ(codeOf(cosign(claim, signature, logged(body, promise(body, "other")))), "E_SIG_LOG");
  for (const std::string& another :
       {recordOf("another claim", signature), recordOf(claim, keys_->sign("p256", claim)),
        recordOf(claim, signature, "other"), recordOf(claim, signature, "p256", "helm"),
        std::string("{}"), std::string("x")}) {
    EXPECT_EQ(codeOf(cosign(claim, signature, logged(another, promise(another)))), "E_SIG_LOG")
        << another;
  }
}

TEST_F(Sigstore, AnotherLogThanTheTrustedOneProvesNothing) {
  const std::string claim = cosignClaim();
  const std::string signature = keys_->sign("p256", claim);
  const std::string body = recordOf(claim, signature);
  trusted_.push_back(keys_->trustedLog("other"));
  EXPECT_EQ(codeOf(cosign(claim, signature, logged(body, promise(body)))), "E_SIG_LOG");
}

TEST_F(Sigstore, ABundlesEntryIsCheckedByPromiseAndByProof) {
  const std::string statement = statementOf(manifestHex());
  const std::string signature = signEnvelope(statement, "p256");
  const std::string body = dsseRecord(statement, signature);
  const auto with = [&](const std::string& proof, const std::string& of) {
    return bundle(envelope(statement, signature), entry(of, proof));
  };
  trustTheLog();
  const auto verdict = judge(with(promiseField(promise(body)), body));
  EXPECT_EQ(verdict.code, "good") << verdict.detail;
  EXPECT_EQ(verdict.loggedAt, kLoggedAt);
  const auto proved = judge(with(inclusionField(body, "log"), body));
  EXPECT_EQ(proved.code, "good") << proved.detail;
  EXPECT_EQ(codeOf(with(promiseField(promise(body)) + inclusionField(body, "log"), body)), "good");
  EXPECT_EQ(codeOf(with("", body)), "E_SIG_LOG");
  EXPECT_EQ(codeOf(bundle(envelope(statement, signature))), "E_SIG_LOG");
  EXPECT_EQ(codeOf(with(inclusionField(body, "other"), body)), "E_SIG_LOG");
  EXPECT_EQ(codeOf(with(inclusionField(body, "log", "4"), body)), "E_SIG_LOG");
  EXPECT_EQ(codeOf(with(inclusionField("another body", "log"), body)), "E_SIG_LOG");
  EXPECT_EQ(codeOf(with(promiseField(promise(body, "other")) + inclusionField(body, "log"), body)),
            "E_SIG_LOG");
  const std::string another = dsseRecord("another statement", signature);
  EXPECT_EQ(codeOf(with(promiseField(promise(another)), another)), "E_SIG_LOG");
  EXPECT_EQ(codeOf(with(promiseField(promise(body)), "x")), "E_SIG_LOG");
}

TEST_F(Sigstore, TheRootOfATreeIsThatOfRfc6962) {
  const TreeHash leaf = hashOf(std::string(1, '\0') + "a");
  InclusionProof proof{.index = 0, .size = 1};
  EXPECT_EQ(rootOf("a", proof), leaf);
  proof.path = {leaf};
  EXPECT_EQ(rootOf("a", proof), std::nullopt);  // too long
  proof.size = 2;
  EXPECT_EQ(rootOf("a", proof), hashOf("\1" + textOf(leaf) + textOf(leaf)));
  proof.size = 5;
  EXPECT_EQ(rootOf("a", proof), std::nullopt);  // too short
  // The last of five: its path skips the levels on which it is alone.
  proof.index = 4;
  EXPECT_EQ(rootOf("a", proof), hashOf("\1" + textOf(leaf) + textOf(leaf)));
  proof.index = 5;
  EXPECT_EQ(rootOf("a", proof), std::nullopt);
}

}  // namespace
}  // namespace airlock::verifier
