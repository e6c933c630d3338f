// SPDX-License-Identifier: Apache-2.0
// A host with an audit record whose lines the measurement log names, and what it exports.  Tests of
// tests/attest only.
#pragma once

#include <string>
#include <vector>

#include "audit/entry.h"
#include "base/digest.h"
#include "tests/attest/quoted_host.h"
#include "tpm/canonical.h"

namespace airlock::attest::test {

inline constexpr char kBoot[] = "11111111-2222-3333-4444-555555555555";
inline constexpr char kPolicyFile[] = "allow root run *\n";
// The one key that the host trusts, as it was measured and as it is exported.
inline constexpr char kKeyPath[] = "prefix.d/example.com/0123456789abcdef0123456789abcdef01234567";
inline constexpr char kKeyFile[] = "a key of the host\n";

// A record's lines, each naming the one before.
class Trail {
 public:
  // Returns the digest that an event names it by.
  std::string add(const std::string& operation, const std::string& pod) {
    audit::Entry entry{.op = operation};
    if (!pod.empty()) entry.pod = PodId::parse(pod).value();
    tpm::Json line =
        tpm::Json::parse(audit::writeLine(entry, lines_.size(), OciDigest::parse(last_).value()));
    line["boot"] = boot_;
    lines_.push_back(tpm::canonical(line));
    last_ = ociDigestOf(lines_.back()).text();
    return last_;
  }
  void setBoot(const std::string& boot) { boot_ = boot; }
  // What a crash leaves of a line, as the next writer closes it.
  void tear() {
    lines_.push_back("{\"boot\"\x18");
    last_ = ociDigestOf(lines_.back()).text();
  }
  // The next line follows that one.
  void follow(const std::string& digest) { last_ = digest; }
  std::vector<std::string>& lines() { return lines_; }
  std::string text() const {
    std::string text;
    for (const std::string& line : lines_) text += line + "\n";
    return text;
  }

 private:
  std::string boot_ = kBoot;
  std::vector<std::string> lines_;
  std::string last_ = "sha256-" + std::string(64, '0');
};

inline tpm::Event withAudit(tpm::Event event, const std::string& digest) {
  tpm::Json payload = tpm::Json::parse(event.payload);
  payload["audit"] = digest;
  event.payload = tpm::canonical(payload);
  return event;
}

// That the TPM has counted, as its next quote will say.
inline std::uint32_t resetsOf(QuotedHost& host) {
  std::size_t trailing = 0;
  return parseQuote(host.quote().at("quote"), trailing)->resets;
}

// An ACI and an OCI image, two pods, and somebody who enters one.
struct AuditedHost {
  // dependencies: of the app's image.
  explicit AuditedHost(const std::vector<std::string>& dependencies = {}) {
    ipc::MeasureJob job = tpm::test::podJob();
    job.engine.policy =
        digestOf("50-airlock.policy" + std::string(1, '\0') + kPolicyFile + std::string(1, '\0'));
    job.engine.trustFiles =
        digestOf(std::string(kKeyPath) + " " + digestOf(std::string_view(kKeyFile)).text() + "\n");
    ipc::ImageFacts oci = job.images[0];
    oci.image = ociDigestOf(manifest);
    oci.name = "example.com/web";
    oci.signers = {webSigner.fingerprint()};
    oci.layers = {ociDigestOf("the bottom one"), ociDigestOf("the one above")};
    job.images[0].dependencies = dependencies;
    ipc::PodFacts first = std::get<ipc::PodFacts>(*job.event);
    ipc::PodFacts second = first;
    second.pod = PodId::random();
    second.apps = {{"web", oci.image}};
    ipc::EnterFacts enter;
    enter.pod = second.pod;
    enter.app = "web";
    const tpm::EngineContext context{
        .mode = ipc::MeasureMode::Require,
        .anchor = "software",
        .tpm = "IBM SW   TPM",
        .before = {{tpm::kSha256, tpm::Bytes(32)}, {tpm::kSha384, tpm::Bytes(48)}},
        .resets = resetsOf(host),
        .restarts = 0};
    trail.add("import", "");
    const std::string one = trail.add("run", first.pod.text());
    const std::string two = trail.add("run", second.pod.text());
    const std::string three = trail.add("enter", second.pod.text());
    trail.add("stop", second.pod.text());
    const std::string log = host.extend(
        {tpm::engineEvent(job.engine, context), tpm::policyEvent(job.engine),
         tpm::trustEvent(job.engine), tpm::imageEvent(job.images[0]), tpm::imageEvent(oci),
         withAudit(tpm::podEvent(first), one), withAudit(tpm::podEvent(second), two),
         withAudit(tpm::enterEvent(enter), three)});
    good = host.quote();
    good["events.cel"] = log;
    good["audit.jsonl"] = trail.text();
    good["policy/50-airlock.policy"] = kPolicyFile;
    good["trusted/" + std::string(kKeyPath)] = kKeyFile;
    good["images/" + oci.image.text() + "/oci-manifest"] = manifest;
    image = oci.image.text();
  }
  struct Signer {
    SoftKey key;
    std::string fingerprint() const {
      prepareOpenssl();
      return Key::fromPem(key.pem())->fingerprint();
    }
  };
  QuotedHost host;
  Signer webSigner;
  const std::string manifest = R"({"schemaVersion":2})";
  // An index of two images, the other of which is somebody else's.
  std::string indexOf(const std::string& named) const {
    const auto entry = [](const std::string& bytes) {
      return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
             ociText(ociDigestOf(bytes)) + R"(","size":)" + std::to_string(bytes.size()) + "}";
    };
    return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
           R"("manifests":[)" +
           entry("another") + "," + entry(named) + "]}";
  }
  std::string image;
  Trail trail;
  Files good;
};

}  // namespace airlock::attest::test
