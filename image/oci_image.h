// SPDX-License-Identifier: Apache-2.0
// Manifests and configs of OCI and Docker images (OCI image spec 1.1, "Image Manifest" and "Image
// Configuration"; Docker "Image Manifest Version 2, Schema 2"), and what they say in appc's terms.
// Pure; unprivileged code may use it, the privileged helper must not.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"
#include "image/manifest.h"

namespace airlock::image {

// A blob as a manifest names it.
struct OciBlob {
  OciDigest digest;
  std::uint64_t bytes = 0;
  bool operator==(const OciBlob&) const = default;
};
struct OciManifest {
  OciBlob config;
  std::vector<OciBlob> layers;  // the bottom one first
};

// "sha256:" and 64 lower-case hex digits, the only algorithm that registries use.  E_DIGEST.
Result<OciDigest> parseOciDigest(std::string_view text);
std::string ociDigestText(const OciDigest& digest);

// Refused, each with a code: E_MEDIA_TYPE a manifest, config or layer of a kind that is not known
// (by name: schema 1, an index, foreign layers, artifacts), E_LIMIT more than limits::kOciLayers,
// E_DIGEST, E_JSON, E_MANIFEST.
Result<OciManifest> parseOciManifest(std::string_view json);

// Does this index, or manifest list, name the manifest?  A signature of the index is one of the
// manifest only then.  E_DIGEST, E_MEDIA_TYPE, E_JSON.
Result<void> checkInIndex(std::string_view index, const OciDigest& manifest);

// What the image is in appc's terms: the manifest that the store keeps beside the original, and
// that a pod is planned by.  `name` and `labels` say what was asked for (a version, if any); os and
// arch come from the config.  Entrypoint and Cmd become exec; a user without a group is "@user",
// which is the user's own group in the image's /etc/passwd; Volumes become mount points,
// ExposedPorts ports, Labels user labels; StopSignal and Healthcheck are kept as user annotations.
// What appc has no word for and nothing of a pod depends on is left out.  E_PLATFORM: an image for
// another operating system.
Result<ImageManifest> appcManifestOf(const ImageName& name, const std::vector<Label>& labels,
                                     const OciDigest& manifest, std::string_view config);

// User annotations of the app that are kept from a config.
inline constexpr std::string_view kStopSignalAnnotation = "org.opencontainers.image.stopSignal";
inline constexpr std::string_view kHealthcheckAnnotation = "org.opencontainers.image.healthcheck";

}  // namespace airlock::image
