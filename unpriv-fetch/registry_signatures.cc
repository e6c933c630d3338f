// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/registry_signatures.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "image/json.h"
#include "image/oci_manifest.h"
#include "unpriv-fetch/blob_file.h"

namespace airlock::fetch {
namespace {

using Kind = ipc::OciAttachment::Kind;

constexpr std::string_view kCosignPayload = "application/vnd.dev.cosign.simplesigning.v1+json";
constexpr std::string_view kBundle = "application/vnd.dev.sigstore.bundle.v0.3+json";

// Registries say in several ways that they have no such thing, or do not know what is meant.
bool isAbsent(long status) { return status >= 400 && status < 500; }

// The document of that path, or nullopt when there is none.
Result<std::optional<Document>> optionalDocument(Registry& registry, const std::string& path) {
  Document answer = TRY(registry.document(path, {manifestAccept()}, limits::kOciManifestBytes));
  if (isAbsent(answer.response.status)) return std::nullopt;
  if (answer.response.status != 200) return badStatus(answer.response);
  return std::optional(std::move(answer));
}

Result<std::optional<image::OciDocument>> optionalManifest(Registry& registry,
                                                           const std::string& path) {
  const auto answer = TRY(optionalDocument(registry, path));
  if (!answer) return std::nullopt;
  return std::optional(
      TRY(inContext(image::parseOciDocument(
                        answer->text, answer->response.headers.find("content-type").value_or("")),
                    "signature at " + airlock::quoted(answer->response.url.text()))));
}

Result<std::string> blob(Registry& registry, const image::OciDescriptor& which) {
  const std::string digest = ociText(which.digest);
  const std::string what = "the signature " + digest;
  if (which.size > limits::kOciAttachmentBytes)
    return refuse(ErrorKind::Invalid, "E_LIMIT", what + " is too large");
  Document answer = TRY(registry.document("blobs/" + digest, {}, limits::kOciAttachmentBytes));
  if (answer.response.status != 200) return badStatus(answer.response);
  TRY(checkBlob(answer.text, which.digest, which.size, what));
  return std::move(answer.text);
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
Result<void> addCosign(Registry& registry, const OciDigest& digest,
                       std::vector<FoundAttachment>& found) {
  const auto document =
      TRY(optionalManifest(registry, "manifests/sha256-" + digest.hex() + ".sig"));
  if (!document) return {};
  const auto* manifest = std::get_if<image::OciManifest>(&*document);
  if (manifest == nullptr) return {};
  for (const image::OciDescriptor& layer : manifest->layers) {
    if (layer.mediaType != kCosignPayload) continue;
    TRY(add(found, {.kind = Kind::Cosign,
                    .content = TRY(blob(registry, layer)),
                    .annotations = annotationsOf(layer)}));
  }
  return {};
}

// The manifests that say they belong to that digest.
Result<std::optional<image::OciIndex>> referrers(Registry& registry, const OciDigest& digest) {
  std::string type(kBundle);
  type.replace(type.find('+'), 1, "%2B");
  type.replace(type.find('/'), 1, "%2F");
  auto document =
      TRY(optionalManifest(registry, "referrers/" + ociText(digest) + "?artifactType=" + type));
  if (!document) document = TRY(optionalManifest(registry, "manifests/sha256-" + digest.hex()));
  if (!document) return std::nullopt;
  auto* index = std::get_if<image::OciIndex>(&*document);
  if (index == nullptr) return std::nullopt;
  return std::optional(std::move(*index));
}

Result<void> addBundles(Registry& registry, const OciDigest& digest,
                        std::vector<FoundAttachment>& found) {
  const auto index = TRY(referrers(registry, digest));
  if (!index) return {};
  for (const image::OciDescriptor& referrer : index->manifests) {
    // A server may leave the filter to us.
    if (referrer.artifactType != kBundle) continue;
    const std::string name = ociText(referrer.digest);
    if (referrer.size > limits::kOciManifestBytes)
      return refuse(ErrorKind::Invalid, "E_LIMIT", "the signature " + name + " is too large");
    const auto answer = TRY(optionalDocument(registry, "manifests/" + name));
    if (!answer) continue;
    TRY(checkBlob(answer->text, referrer.digest, referrer.size, "the signature " + name));
    const image::OciDocument document =
        TRY(image::parseOciDocument(answer->text, referrer.mediaType));
    const auto* manifest = std::get_if<image::OciManifest>(&document);
    if (manifest == nullptr) continue;
    for (const image::OciDescriptor& layer : manifest->layers) {
      if (layer.mediaType != kBundle) continue;
      TRY(add(found, {.kind = Kind::SigstoreBundle,
                      .content = TRY(blob(registry, layer)),
                      .annotations = {}}));
    }
  }
  return {};
}

}  // namespace

std::string manifestAccept() {
  std::string line = "Accept: ";
  line += image::kOciIndexType;
  for (const std::string_view type :
       {image::kDockerListType, image::kOciManifestType, image::kDockerManifestType}) {
    line += ", ";
    line += type;
  }
  return line;
}

Result<std::vector<FoundAttachment>> sigstoreSignatures(Registry& registry,
                                                        const OciDigest& digest) {
  std::vector<FoundAttachment> found;
  TRY(addCosign(registry, digest, found));
  TRY(addBundles(registry, digest, found));
  return found;
}

Result<std::vector<FoundAttachment>> simpleSignatures(Client& client, const std::string& base,
                                                      const std::string& name,
                                                      const OciDigest& digest) {
  std::vector<FoundAttachment> found;
  const std::string place =
      base + (base.ends_with('/') ? "" : "/") + name + "@sha256=" + digest.hex();
  for (std::size_t number = 1; number <= limits::kOciLookasideFiles; ++number) {
    const Url url =
        TRY(Url::parse(place + "/signature-" + std::to_string(number), client.options().allowHttp));
    Document answer = TRY(getDocument(client, {.url = url}, limits::kOciAttachmentBytes));
    if (isAbsent(answer.response.status)) break;
    if (answer.response.status != 200) return badStatus(answer.response);
    TRY(add(found,
            {.kind = Kind::SimpleSigning, .content = std::move(answer.text), .annotations = {}}));
  }
  return found;
}

Result<std::vector<FoundAttachment>> simpleSignatures(OfferedFiles& files, std::uint8_t place,
                                                      const OciDigest& digest) {
  std::vector<FoundAttachment> found;
  for (std::uint8_t number = 1; number <= limits::kOciLookasideFiles; ++number) {
    const auto file = files.open({ipc::SimpleSignatureFile{place, digest, number}});
    if (!file && file.error().kind() == ErrorKind::Missing) break;
    if (!file) return fail(Error(file.error()).in("simple signature"));
    TRY(add(found, {.kind = Kind::SimpleSigning,
                    .content = TRY(sys::readAll(*file, limits::kOciAttachmentBytes)),
                    .annotations = {}}));
  }
  return found;
}

}  // namespace airlock::fetch
