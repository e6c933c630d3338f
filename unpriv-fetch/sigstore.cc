// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/sigstore.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/limits.h"
#include "image/json.h"
#include "image/oci_manifest.h"

namespace airlock::fetch {
namespace {

using Kind = ipc::OciAttachment::Kind;

constexpr std::string_view kCosignPayload = "application/vnd.dev.cosign.simplesigning.v1+json";
constexpr std::string_view kBundle = "application/vnd.dev.sigstore.bundle.v0.3+json";

std::string tagOf(const OciDigest& digest) { return "sha256-" + digest.hex(); }

// nullopt when there is none, or when it is something else than a T.
template <class T>
Result<std::optional<T>> parsed(const std::optional<ManifestPlace::Found>& found) {
  if (!found) return std::nullopt;
  image::OciDocument document =
      TRY(inContext(image::parseOciDocument(found->text, found->contentType), "signature"));
  auto* wanted = std::get_if<T>(&document);
  if (wanted == nullptr) return std::nullopt;
  return std::optional(std::move(*wanted));
}

std::string annotationsOf(const image::OciDescriptor& layer) {
  image::Json object = image::Json::object();
  for (const auto& [key, value] : layer.annotations) object[key] = value;
  return image::writeJson(object, image::JsonStyle::Compact);
}

Result<void> add(std::vector<FoundAttachment>& found, FoundAttachment one) {
  if (found.size() == limits::kOciAttachments)
    return refuse(ErrorKind::Invalid, "E_LIMIT", "the image has too many signatures");
  if (one.annotations.size() > limits::kOciAnnotationBytes)
    return refuse(ErrorKind::Invalid, "E_LIMIT", "the annotations of a signature are too long");
  found.push_back(std::move(one));
  return {};
}

// cosign's first format: one manifest under a tag, a layer for each signature.
Result<void> addCosign(ManifestPlace& place, const OciDigest& digest,
                       std::vector<FoundAttachment>& found) {
  const auto manifest = TRY(parsed<image::OciManifest>(TRY(place.byTag(tagOf(digest) + ".sig"))));
  if (!manifest) return {};
  for (const image::OciDescriptor& layer : manifest->layers) {
    if (layer.mediaType != kCosignPayload) continue;
    TRY(add(found, {.kind = Kind::Cosign,
                    .content = TRY(place.blob(layer, limits::kOciAttachmentBytes)),
                    .annotations = annotationsOf(layer)}));
  }
  return {};
}

Result<void> addBundlesOf(ManifestPlace& place, const image::OciDescriptor& referrer,
                          std::vector<FoundAttachment>& found) {
  const auto text = TRY(place.manifest(referrer, limits::kOciManifestBytes));
  if (!text) return {};
  const auto manifest =
      TRY(parsed<image::OciManifest>(ManifestPlace::Found{*text, referrer.mediaType}));
  if (!manifest) return {};
  for (const image::OciDescriptor& layer : manifest->layers) {
    if (layer.mediaType != kBundle) continue;
    TRY(add(found, {.kind = Kind::SigstoreBundle,
                    .content = TRY(place.blob(layer, limits::kOciAttachmentBytes)),
                    .annotations = {}}));
  }
  return {};
}

Result<void> addBundles(ManifestPlace& place, const OciDigest& digest,
                        std::vector<FoundAttachment>& found) {
  auto index = TRY(parsed<image::OciIndex>(TRY(place.referrers(digest, kBundle))));
  if (!index) index = TRY(parsed<image::OciIndex>(TRY(place.byTag(tagOf(digest)))));
  if (!index) return {};
  for (const image::OciDescriptor& referrer : index->manifests) {
    // A place may leave the filter to us.
    if (referrer.artifactType == kBundle) TRY(addBundlesOf(place, referrer, found));
  }
  return {};
}

}  // namespace

Result<std::vector<FoundAttachment>> sigstoreSignatures(ManifestPlace& place,
                                                        const OciDigest& digest) {
  std::vector<FoundAttachment> found;
  TRY(addCosign(place, digest, found));
  TRY(addBundles(place, digest, found));
  return found;
}

bool isAttachmentTag(std::string_view tag) {
  constexpr std::string_view kPrefix = "sha256-";
  OciDigest::Bytes bytes{};
  if (!tag.starts_with(kPrefix)) return false;
  const std::string_view rest = tag.substr(kPrefix.size());
  const std::string_view hex = rest.substr(0, 2 * bytes.size());
  const std::string_view ending = rest.substr(hex.size());
  return fromHex(hex, bytes) &&
         (ending.empty() || ending == ".sig" || ending == ".att" || ending == ".sbom");
}

}  // namespace airlock::fetch
