// SPDX-License-Identifier: Apache-2.0
#include "attest/exported_files.h"

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "attest/refusal.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/names.h"
#include "image/oci_config.h"

namespace airlock::attest {

namespace {

using KeyName = std::pair<std::string, std::string>;  // scope, fingerprint

constexpr std::string_view kLogs = "rekor.d";

std::unexpected<Error> badKeys(const TrustRecord& record, std::string what) {
  return refuseEvidence("E_ATTEST_KEYS",
                        "the trusted keys in the evidence are not those of record " +
                            std::to_string(record.number) + ": " + std::move(what));
}

std::string shown(const KeyName& key) {
  return printable(key.second) + (key.first.empty() ? "" : " for " + airlock::quoted(key.first));
}

// Where a key file stands (store/keystore.h).
struct KeyPlace {
  std::string_view kind;  // "root.d", "prefix.d", "rekor.d"
  KeyName name;
};
std::optional<KeyPlace> placeOf(std::string_view path) {
  const std::size_t first = path.find('/');
  const std::size_t last = path.rfind('/');
  if (first == path.npos) return std::nullopt;
  KeyPlace place{path.substr(0, first), {}};
  if (last != first) place.name.first = path.substr(first + 1, last - first - 1);
  place.name.second = path.substr(last + 1);
  const bool known = place.kind == "root.d" || place.kind == kLogs ||
                     (place.kind == "prefix.d" && !place.name.first.empty());
  if (!known || !KeyFingerprint::parse(place.name.second)) return std::nullopt;
  return place;
}

// Each that the record names has its file.  An empty one takes a key away, and is named with a "-";
// where both are named, of two configurations, the evidence has the one that counts.
Result<void> expectNamed(const TrustRecord& record, const std::set<KeyName>& present) {
  std::set<KeyName> named;
  for (const auto& [scope, fingerprint] : record.keys) {
    const bool masked = fingerprint.starts_with('-');
    const KeyName key(scope, masked ? fingerprint.substr(1) : fingerprint);
    const KeyName mask(scope, "-" + key.second);
    named.insert(masked ? mask : key);
    if (!present.contains(key) && !present.contains(mask)) {
      return badKeys(record, "the file of " + shown(key) + " is missing");
    }
  }
  for (const KeyName& key : present) {
    if (!named.contains(key)) return badKeys(record, shown(key) + " was not trusted");
  }
  return {};
}

// What stood before in this boot let images run as well.
void noteEarlier(std::size_t count, const std::string& what, std::vector<std::string>& notes) {
  if (count < 2) return;
  notes.push_back("of " + std::to_string(count) + " " + what +
                  " in this boot only the last can be in the evidence");
}

}  // namespace

Result<std::size_t> checkManifests(const Evidence& evidence) {
  std::size_t checked = 0;
  for (const auto& [id, files] : evidence.images) {
    const ImageId image = TRY(ImageId::parse(id));
    if (image.oci() == nullptr) continue;
    if (files.ociManifest) {
      if (ociDigestOf(*files.ociManifest) != *image.oci()) {
        return refuseEvidence("E_ATTEST_IMAGE", "the manifest of " + printable(id) +
                                                    " is not the one of that digest");
      }
      ++checked;
    }
    if (files.ociIndex && !image::checkInIndex(*files.ociIndex, *image.oci())) {
      return refuseEvidence("E_ATTEST_IMAGE", "the index of " + printable(id) +
                                                  " does not name the manifest of that digest");
    }
  }
  return checked;
}

// As the helper reads them (policy/policy.cc): each name, a NUL, each file, a NUL.
Result<bool> checkPolicyFiles(const Evidence& evidence, const History& history) {
  std::string all;
  for (const auto& [name, content] : evidence.policy) {
    if (!name.ends_with(".policy")) continue;
    all.append(name).push_back('\0');
    all.append(content).push_back('\0');
  }
  if (all.empty() || history.policies.empty()) return false;
  if (digestOf(all).text() == history.policies.back().policy) return true;
  return refuseEvidence("E_ATTEST_FILES",
                        "the policy files in the evidence are not those that were in force");
}

Result<KeyFiles> checkKeyFiles(const Evidence& evidence, const History& history) {
  KeyFiles files;
  if (history.trusts.empty()) return files;
  const TrustRecord& record = history.trusts.back();
  std::set<KeyName> present;
  std::string listing;  // as store/engine_facts.cc writes it
  for (const auto& [path, content] : evidence.trusted) {
    auto place = placeOf(path);
    if (!place) return badKeys(record, airlock::quoted(path) + " is no file of a key");
    listing += path + " " + digestOf(content).text() + "\n";
    ++files.count;
    if (place->kind == kLogs) {
      files.logs = true;
      continue;
    }
    if (content.empty()) place->name.second.insert(0, "-");
    present.insert(std::move(place->name));
  }
  TRY(expectNamed(record, present));
  files.contents = !record.files.empty();
  if (files.contents && digestOf(listing).text() != record.files) {
    return badKeys(record, "a file has another content, or is of another log");
  }
  return files;
}

Result<CheckedFiles> checkExportedFiles(const Evidence& evidence, const History& history) {
  CheckedFiles checked;
  const std::size_t manifests = TRY(checkManifests(evidence));
  const KeyFiles keys = TRY(checkKeyFiles(evidence, history));
  const bool policy = TRY(checkPolicyFiles(evidence, history));
  checked.detail = std::to_string(manifests) + " manifest(s) of OCI images, " +
                   std::to_string(keys.count) + " file(s) of trusted keys" +
                   (policy ? ", and the policy that was in force" : "");
  if (!policy) checked.notes.emplace_back("the policy that was in force is not in the evidence");
  std::set<std::string> policies;
  std::set<std::pair<std::string, std::string>> trusts;
  for (const PolicyRecord& record : history.policies) policies.insert(record.policy);
  for (const TrustRecord& record : history.trusts) trusts.emplace(record.trust, record.files);
  noteEarlier(policies.size(), "policies that were in force", checked.notes);
  noteEarlier(trusts.size(), "sets of keys that were trusted", checked.notes);
  if (keys.count == 0 || keys.contents) return checked;
  checked.notes.emplace_back(
      "of the host's trusted keys the names alone were measured, not the files");
  if (keys.logs) {
    checked.notes.emplace_back("the host's keys of transparency logs were not measured");
  }
  return checked;
}

}  // namespace airlock::attest
