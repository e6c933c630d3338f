// SPDX-License-Identifier: Apache-2.0
#include "attest/signers.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "attest/exported_files.h"
#include "attest/judge.h"
#include "attest/refusal.h"
#include "base/digest.h"
#include "base/log.h"
#include "image/json.h"
#include "tpm/canonical.h"

namespace airlock::attest {

namespace {

std::unexpected<Error> badTrust() {
  return refuse(ErrorKind::Invalid, "E_ATTEST_TRUST", "the list of trusted keys is not one");
}

// "a\tb\tc"
std::optional<std::array<std::string, 3>> words(std::string_view line) {
  const std::size_t one = line.find('\t');
  const std::size_t two = one == line.npos ? line.npos : line.find('\t', one + 1);
  if (two == line.npos || line.find('\t', two + 1) != line.npos) return std::nullopt;
  return std::array<std::string, 3>{std::string(line.substr(0, one)),
                                    std::string(line.substr(one + 1, two - one - 1)),
                                    std::string(line.substr(two + 1))};
}

bool isTrusted(const AuditorsTrust& trust, const std::string& name, const std::string& key) {
  return std::ranges::any_of(trust.keys, [&](const auto& entry) {
    return entry.second == key && covers(entry.first, name);
  });
}

bool isExcepted(const FleetPolicy* policy, const ImageRecord& image) {
  if (policy == nullptr) return false;
  return isGolden(policy->images, image) || (image.insecure && policy->images.allowUnverified);
}

std::unexpected<Error> unsignedImage(const ImageRecord& image, std::string why) {
  return refuseEvidence("E_ATTEST_POLICY_SIGNER", "record " + std::to_string(image.number) + ": " +
                                                      airlock::quoted(image.name) + " (" +
                                                      printable(image.image) + ") " +
                                                      std::move(why));
}

std::string whyNotAgain(const ImageRecord& image) {
  const auto id = ImageId::parse(image.image);
  const std::string why = id && id->oci() != nullptr
                              ? "its manifest or its signatures are not in the evidence"
                              : "give its file with --image to have its signature verified again";
  return "who signed " + printable(image.name) + " (" + printable(image.image.substr(0, 19)) +
         ") is as the measured engine says: " + why;
}

}  // namespace

Result<AuditorsTrust> parseAuditorsTrust(std::string_view text) {
  AuditorsTrust trust;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto line = end == text.npos ? std::nullopt : words(text.substr(0, end));
    if (!line) return badTrust();
    const auto& [kind, of, key] = *line;
    if (kind == "key") {
      trust.keys.emplace_back(of, key);
    } else if (kind == "verified") {
      Texts& signers = trust.verified[of];
      if (!key.empty()) signers.insert(key);
    } else if (kind == "stray") {
      trust.strays.emplace_back(of, key);
    } else {
      return badTrust();
    }
    text.remove_prefix(end + 1);
  }
  return trust;
}

Result<std::string> listSignatures(const Evidence& evidence, const History& history) {
  std::string list;
  TRY(checkManifests(evidence));
  std::map<std::string_view, const ImageRecord*> last;
  for (const ImageRecord& record : history.images) last[record.image] = &record;
  for (const auto& [text, latest] : last) {
    const ImageRecord& record = *latest;
    const auto id = ImageId::parse(text);
    if (!id) continue;
    const auto found = evidence.images.find(record.image);
    const ImageEvidence files = found == evidence.images.end() ? ImageEvidence() : found->second;
    if (id->oci() != nullptr && (!files.ociManifest || !files.signature)) continue;
    image::Json entry;
    entry["image"] = record.image;
    entry["name"] = record.name;
    entry["version"] = "";
    for (const auto& [label, value] : record.labels) {
      if (label == "version") entry["version"] = value;
    }
    entry["signed"] = !record.insecure;
    entry["index"] = files.ociIndex ? ociDigestOf(*files.ociIndex).text() : "";
    entry["signatures"] = tpm::toBase64(files.signature.value_or(""));
    list += image::writeJson(entry, image::JsonStyle::Compact) + "\n";
  }
  return list;
}

Result<SignersFound> checkSigners(const History& history, const AuditorsTrust& trust,
                                  const FleetPolicy* policy) {
  constexpr const char* kUnknown =
      ": who signed that is not in the record, but that the host trusted somebody for it";
  const bool demanded = policy != nullptr && policy->images.verifiedAgain;
  SignersFound found;
  std::size_t recorded = 0;
  for (const ImageRecord& image : history.images) {
    if (isExcepted(policy, image)) continue;
    if (image.insecure) return unsignedImage(image, "was imported without a signature");
    const auto trusted = [&](const std::string& key) { return isTrusted(trust, image.name, key); };
    if (std::ranges::none_of(image.signers, trusted)) {
      return unsignedImage(image, "was not signed by a key that you trust for its name");
    }
    const auto verified = trust.verified.find(image.image);
    for (const std::string& part : image.dependencies) {
      if (policy != nullptr && isGoldenPart(policy->images, part)) continue;
      if (demanded) return unsignedImage(image, "was rendered with " + printable(part) + kUnknown);
      found.notes.push_back(printable(image.name) + " was rendered with " + printable(part) +
                            kUnknown);
    }
    if (verified == trust.verified.end()) {
      if (demanded) {
        return unsignedImage(
            image, "has no signature that could be verified again: " + whyNotAgain(image));
      }
      ++recorded;
      found.notes.push_back(whyNotAgain(image));
      continue;
    }
    if (std::ranges::none_of(verified->second, trusted)) {
      return unsignedImage(image, "has no good signature by a key that you trust for its name");
    }
    found.afresh.insert(image.image);
  }
  for (const auto& [image, file] : trust.strays) {
    found.notes.push_back(printable(file) + " was given, and no record is about it: its image is " +
                          printable(image));
  }
  found.detail =
      "all by keys that you trust; " + std::to_string(found.afresh.size()) + " verified again";
  if (recorded != 0)
    found.detail += ", " + std::to_string(recorded) + " as the measured engine says";
  return found;
}

}  // namespace airlock::attest
