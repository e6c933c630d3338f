// SPDX-License-Identifier: Apache-2.0
#include "image/oci_manifest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/json_reader.h"

namespace airlock::image {

namespace {

constexpr std::array<std::string_view, 6> kLayerTypes = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    kDockerGzipLayerType,
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
};

std::unexpected<Error> badType(std::string message, std::string hint = {}) {
  return refuse(ErrorKind::Unsupported, "E_MEDIA_TYPE", std::move(message), std::move(hint));
}

bool isManifestType(std::string_view type) {
  return type == kOciManifestType || type == kDockerManifestType;
}
bool isIndexType(std::string_view type) { return type == kOciIndexType || type == kDockerListType; }

bool isSchema1(std::string_view type) {
  return type.starts_with("application/vnd.docker.distribution.manifest.v1+");
}

// A Content-Type without its parameters.
std::string_view bareType(std::string_view type) {
  type = type.substr(0, type.find_first_of("; \t"));
  return type;
}

std::unexpected<Error> refuseSchema1() {
  return badType(
      "the image has a Docker schema 1 manifest (manifest.v1+prettyjws), which names layers by "
      "what "
      "nobody can check",
      "have its publisher push it again: every tool of the last years writes schema 2 or OCI");
}

Result<OciPlatform> readPlatform(const Json& value, const std::string& where) {
  const ObjectReader reader = TRY(ObjectReader::of(value, where));
  OciPlatform platform{.os = TRY(reader.text("os")),
                       .architecture = TRY(reader.text("architecture")),
                       .variant = TRY(reader.text("variant"))};
  for (const std::string* text : {&platform.os, &platform.architecture, &platform.variant}) {
    if (text->size() > limits::kNameBytes) return refuseField(where, "is too long");
  }
  return platform;
}

Result<OciDescriptor> readDescriptor(const Json& value, const std::string& where) {
  const ObjectReader reader = TRY(ObjectReader::of(value, where));
  OciDescriptor found{.mediaType = TRY(reader.text("mediaType")),
                      .digest = {},
                      .size = 0,
                      .platform = std::nullopt,
                      .artifactType = TRY(reader.text("artifactType")),
                      .annotations = TRY(reader.textMap("annotations"))};
  if (found.mediaType.empty() || found.mediaType.size() > limits::kMediaTypeBytes)
    return refuseField(reader.at("mediaType"), "must be a media type");
  const std::string digest = TRY(reader.text("digest"));
  found.digest = TRY(inContext(parseOciDigest(digest), reader.at("digest")));
  constexpr auto kMost = static_cast<std::int64_t>(limits::kImageBytes);
  const auto size = TRY(reader.integer("size", 0, kMost));
  if (!size) return refuseField(reader.at("size"), "must be a number of bytes");
  found.size = static_cast<std::uint64_t>(*size);
  if (const Json* platform = reader.find("platform"))
    found.platform = TRY(readPlatform(*platform, reader.at("platform")));
  return found;
}

Result<OciManifest> readManifest(const ObjectReader& reader, std::string type) {
  const Json* config = reader.find("config");
  if (config == nullptr) return refuseField("config", "must be a descriptor");
  OciManifest manifest{
      .mediaType = std::move(type),
      .config = TRY(readDescriptor(*config, "config")),
      .layers = TRY(reader.list<OciDescriptor>("layers", limits::kOciLayers, readDescriptor))};
  return manifest;
}

Result<OciIndex> readIndex(const ObjectReader& reader, std::string type) {
  return OciIndex{.mediaType = std::move(type),
                  .manifests = TRY(reader.list<OciDescriptor>("manifests", limits::kOciPlatforms,
                                                              readDescriptor))};
}

// What the document is, from what it says itself and what its source says.
Result<std::string> typeOf(const ObjectReader& reader, std::string_view contentType) {
  const bool hasManifests = reader.find("manifests") != nullptr;
  const bool hasLayers = reader.find("layers") != nullptr || reader.find("config") != nullptr;
  const auto version = TRY(reader.integer("schemaVersion", 0, 9));
  std::string type = TRY(reader.text("mediaType"));
  const std::string_view said = bareType(contentType);
  if (version == 1 || isSchema1(type) || isSchema1(said)) return refuseSchema1();
  if (version != 2) return refuseField("schemaVersion", "must be 2");
  if (type.empty() && (isManifestType(said) || isIndexType(said))) type = said;
  if (type.empty()) type = hasManifests ? kOciIndexType : kOciManifestType;
  if (!isManifestType(type) && !isIndexType(type))
    return badType("a document of the type " + airlock::quoted(type) + " is no image");
  const bool asIndex = isIndexType(type);
  const bool contradicted = (isManifestType(said) && asIndex) || (isIndexType(said) && !asIndex);
  if (contradicted || (asIndex ? hasLayers : hasManifests)) {
    return badType(
        "a document is manifest and index at once, so that two readers of it would see "
        "two images");
  }
  return type;
}

std::string platformsOf(const OciIndex& index) {
  std::string texts;
  for (const OciDescriptor& manifest : index.manifests) {
    if (!manifest.platform || texts.size() > 500) continue;
    const std::string text = platformText(*manifest.platform);
    if (text.starts_with("unknown/")) continue;  // attestations of docker's
    texts += (texts.empty() ? "" : ", ") + text;
  }
  return texts.empty() ? "none that says its platform" : airlock::printable(texts);
}

}  // namespace

Result<OciDocument> parseOciDocument(std::string_view text, std::string_view contentType) {
  if (isSchema1(bareType(contentType))) return refuseSchema1();
  const Json document = TRY(parseJson(text, limits::kOciManifestBytes));
  const ObjectReader reader = TRY(ObjectReader::of(document, ""));
  std::string type = TRY(typeOf(reader, contentType));
  if (isIndexType(type)) return TRY(readIndex(reader, std::move(type)));
  return TRY(readManifest(reader, std::move(type)));
}

Result<void> requireImage(const OciManifest& manifest) {
  const std::string& config = manifest.config.mediaType;
  if (config != kOciConfigType && config != kDockerConfigType) {
    return badType("it is no image: its config has the type " + airlock::quoted(config));
  }
  if (manifest.layers.empty()) return badType("it is no image: it has no layers");
  for (const OciDescriptor& layer : manifest.layers) {
    const std::string& type = layer.mediaType;
    if (std::ranges::find(kLayerTypes, type) != kLayerTypes.end()) continue;
    const bool elsewhere = type.contains(".foreign.") || type.contains(".nondistributable.");
    return badType(
        "a layer has the type " + airlock::quoted(type) +
            (elsewhere ? ", which is not to be had from a registry" : ", which is not known here"),
        "ask its publisher for an image with layers of tar, tar+gzip or tar+zstd");
  }
  return {};
}

Result<OciDescriptor> chooseManifest(const OciIndex& index, const OciPlatform& machine) {
  const OciDescriptor* best = nullptr;
  int bestDistance = 0;
  for (const OciDescriptor& manifest : index.manifests) {
    if (!manifest.platform) continue;
    const auto distance = platformDistance(machine, *manifest.platform);
    if (!distance || (best != nullptr && *distance >= bestDistance)) continue;
    best = &manifest;
    bestDistance = *distance;
  }
  if (best == nullptr && index.manifests.size() == 1 && !index.manifests.front().platform)
    best = &index.manifests.front();
  if (best == nullptr) {
    return refuse(
        ErrorKind::Missing, "E_PLATFORM",
        "the image is not for " + platformText(machine) + ": there is " + platformsOf(index));
  }
  if (!isManifestType(best->mediaType)) {
    return badType("the index leads to a document of the type " + airlock::quoted(best->mediaType) +
                   ", and not to a manifest");
  }
  return *best;
}

Result<OciPlatform> readOciConfig(std::string_view text, std::size_t layers) {
  const Json document = TRY(parseJson(text, limits::kOciConfigBytes));
  const ObjectReader reader = TRY(ObjectReader::of(document, "config"));
  const Json* roots = reader.find("rootfs");
  if (roots == nullptr) return refuseField("config.rootfs", "must be an object");
  const ObjectReader rootfs = TRY(ObjectReader::of(*roots, "config.rootfs"));
  const auto diffs = TRY(rootfs.textList("diff_ids", limits::kOciLayers));
  if (diffs.size() != layers) {
    return refuseField("config.rootfs.diff_ids", "names " + std::to_string(diffs.size()) +
                                                     " layers, and the manifest " +
                                                     std::to_string(layers));
  }
  return readPlatform(document, "config");
}

Result<void> requirePlatform(const OciPlatform& machine, const OciPlatform& image) {
  if (platformDistance(machine, image)) return {};
  return refuse(ErrorKind::Missing, "E_PLATFORM",
                "the image is for " + airlock::printable(platformText(image)) + ", not for " +
                    platformText(machine));
}

}  // namespace airlock::image
