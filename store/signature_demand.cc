// SPDX-License-Identifier: Apache-2.0
#include "store/signature_demand.h"

#include <algorithm>
#include <set>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/names.h"

namespace airlock::store {

namespace {

// Calls `take` for each item of a comma list.
template <class Take>
Result<void> readList(std::string_view list, Take take) {
  for (;;) {
    const auto comma = list.find(',');
    TRY(take(list.substr(0, comma)));
    if (comma == list.npos) return {};
    list.remove_prefix(comma + 1);
  }
}

std::string kindNames(const std::vector<ipc::SignatureKind>& kinds) {
  std::string names;
  for (const ipc::SignatureKind kind : kinds)
    names += (names.empty() ? "" : ", ") + std::string(ipc::toString(kind));
  return names;
}

// Of one image, or one that is part of another.
Result<void> checkSigners(const SignatureDemand& demand, const KeyStore& keys,
                          const ImageName& name, const std::string& shown,
                          const std::vector<ipc::Signer>& signers) {
  const auto trusted = TRY(keys.fingerprintsFor(name));
  std::set<std::string> known;
  std::set<std::string> counted;
  for (const ipc::Signer& signer : signers) {
    if (std::ranges::find(trusted, signer.fingerprint) == trusted.end()) continue;
    known.insert(signer.fingerprint.text());
    if (demand.kinds.empty() ||
        std::ranges::find(demand.kinds, kindOf(signer)) != demand.kinds.end())
      counted.insert(signer.fingerprint.text());
  }
  if (counted.size() >= demand.signers) return {};
  if (known.empty()) {
    return refuse(ErrorKind::Denied, "E_SIG_UNTRUSTED",
                  shown + (signers.empty() ? " was imported without a signature"
                                           : " is signed by " + signers.front().fingerprint.text() +
                                                 ", a key that is no longer trusted for this name"),
                  "Fetch a signed one, or trust its key: airlock trust --prefix=" + name.text() +
                      " <key file>");
  }
  return refuse(ErrorKind::Denied, "E_SIG_THRESHOLD",
                shown + " is signed by " + std::to_string(counted.size()) + " of the " +
                    std::to_string(demand.signers) + " trusted keys that policy demands" +
                    (demand.kinds.empty() ? "" : ", counting " + kindNames(demand.kinds)),
                "Fetch it again when more of its publishers have signed it");
}

}  // namespace

ipc::SignatureKind kindOf(const ipc::Signer& signer) {
  if (signer.kind != ipc::SignatureKind::Unsaid) return signer.kind;
  switch (signer.fingerprint.kind()) {
    case KeyFingerprint::Kind::OpenPgp:
      return ipc::SignatureKind::OpenPgp;
    case KeyFingerprint::Kind::Minisign:
      return ipc::SignatureKind::Minisign;
    case KeyFingerprint::Kind::PublicKey:
      break;
  }
  return ipc::SignatureKind::Unsaid;
}

Result<bool> SignatureDemand::read(std::string_view key, std::string_view value) {
  if (key == "signers") {
    const auto count = parseNumber(value);
    // A record has room for no more.
    if (!count || *count == 0 || *count > limits::kSignatures) {
      return fail(ErrorKind::Invalid, "signers= takes 1 to " + std::to_string(limits::kSignatures));
    }
    signers = *count;
    return true;
  }
  if (key == "kinds") {
    TRY(readList(value, [&](std::string_view name) -> Result<void> {
      const auto kind = ipc::parseSignatureKind(name);
      if (!kind) {
        return fail(ErrorKind::Invalid,
                    quoted(name) + " is none of openpgp, minisign, cosign, bundle, simple");
      }
      kinds.push_back(*kind);
      return {};
    }));
    return true;
  }
  if (key != "digest") return false;
  TRY(readList(value, [&](std::string_view text) -> Result<void> {
    digests.push_back(TRY(ImageId::parse(text)));
    return {};
  }));
  return true;
}

bool SignatureDemand::pins(const ImageId& image) const {
  return std::ranges::find(digests, image) != digests.end();
}

bool SignatureDemand::pins(const ipc::CatalogRecord& record) const {
  return pins(record.image) || (record.index && pins(*record.index));
}

Result<void> checkDemand(const SignatureDemand& demand, const KeyStore& keys,
                         const ipc::CatalogRecord& record, bool unsignedToo) {
  const std::string shown = displayName(record.name, record.labels);
  if (!demand.digests.empty() && !demand.pins(record)) {
    return refuse(ErrorKind::Denied, "E_SIG_PIN",
                  shown + " is " + record.image.text() +
                      ", and policy accepts only those that it names by their digest",
                  "The administrator can add it to digest= of the rule");
  }
  if (unsignedToo) return {};
  TRY(checkSigners(demand, keys, record.name, shown, record.signers));
  for (const ipc::Dependency& part : record.dependencies) {
    TRY(checkSigners(demand, keys, part.name,
                     displayName(part.name, part.labels) + ", which is part of " + shown + ",",
                     part.signers));
  }
  return {};
}

std::string saySigners(const ipc::CatalogRecord& record) {
  std::string text = displayName(record.name, record.labels);
  if (record.signers.empty()) return text + " is signed by nobody";
  const char* before = " is signed by ";
  for (const ipc::Signer& signer : record.signers) {
    text += before + signer.fingerprint.text() + " (" + std::string(ipc::toString(kindOf(signer))) +
            ")";
    before = ", ";
  }
  return text;
}

}  // namespace airlock::store
