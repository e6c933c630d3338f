// SPDX-License-Identifier: Apache-2.0
// The documents of a Docker or OCI image: manifest, index, and of the config what choosing an image
// needs.  Pure; unprivileged code may use it.  (image-spec 1.1, distribution: manifest v2 schema 2)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "image/oci_platform.h"

namespace airlock::image {

inline constexpr std::string_view kOciManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kDockerManifestType =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerListType =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfigType =
    "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerGzipLayerType =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kRefNameAnnotation = "org.opencontainers.image.ref.name";

// `urls` is not read: a layer comes from where the image comes from (test F04).
struct OciDescriptor {
  std::string mediaType;
  OciDigest digest;
  std::uint64_t size = 0;
  std::optional<OciPlatform> platform;
  std::string artifactType;
  std::map<std::string, std::string> annotations;
};
struct OciManifest {
  std::string mediaType;
  OciDescriptor config;
  std::vector<OciDescriptor> layers;  // the lowest first
};
struct OciIndex {
  std::string mediaType;
  std::vector<OciDescriptor> manifests;
};
using OciDocument = std::variant<OciManifest, OciIndex>;

// Either of the two.  `contentType` is what the source says it is, or empty.  E_MEDIA_TYPE with the
// name of the type: schema 1, and anything else that is neither; a document whose own mediaType or
// members say something else than that (CVE-2021-41190).  E_MANIFEST: a member is missing or wrong.
Result<OciDocument> parseOciDocument(std::string_view text, std::string_view contentType);

// E_MEDIA_TYPE unless it is an image that can be run: a config and layers of known types, none of
// them to be had elsewhere only (foreign, nondistributable).  E_LIMIT: limits::kOciLayers.
Result<void> requireImage(const OciManifest& manifest);

// The manifest of the index for that machine.  E_PLATFORM with what there is; E_MEDIA_TYPE when it
// is an index again.  An index with one manifest that names no platform gives that one: its config
// decides.
Result<OciDescriptor> chooseManifest(const OciIndex& index, const OciPlatform& machine);

// Of the config: its platform.  E_MANIFEST: no config, or it has another number of layers.
Result<OciPlatform> readOciConfig(std::string_view text, std::size_t layers);
// E_PLATFORM unless that machine runs it.
Result<void> requirePlatform(const OciPlatform& machine, const OciPlatform& image);

}  // namespace airlock::image
