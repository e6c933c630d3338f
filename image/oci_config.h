// SPDX-License-Identifier: Apache-2.0
// What the config of an OCI or Docker image says (OCI image spec 1.1, "Image Configuration"), in
// appc's terms.  Pure; unprivileged code may use it, the privileged helper must not.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"
#include "image/manifest.h"

namespace airlock::image {

// Does this index, or manifest list, name the manifest?  A signature of the index is one of the
// manifest only then.  E_DIGEST, E_MEDIA_TYPE, E_JSON.
Result<void> checkInIndex(std::string_view index, const OciDigest& manifest);

// What the image is in appc's terms: the manifest that the store keeps beside the original, and
// that a pod is planned by.  `name` and `labels` say what was asked for (a version, if any); os and
// arch come from the config.  Entrypoint and Cmd become exec; a user without a group is "@user",
// which is the user's own group in the image's /etc/passwd; Volumes become mount points,
// ExposedPorts ports, Labels user labels; Healthcheck is kept as a user annotation and StopSignal
// as one that a start acts on. What appc has no word for and nothing of a pod depends on is left
// out.  E_PLATFORM: an image for another operating system.
Result<ImageManifest> appcManifestOf(const ImageName& name, const std::vector<Label>& labels,
                                     const OciDigest& manifest, std::string_view config,
                                     std::size_t layers);

// "SIGQUIT", "QUIT", "3", "SIGRTMIN+3", "SIGRTMAX-1", as docker takes them.  E_SIGNAL: it is none.
Result<std::uint8_t> signalNumber(std::string_view text);

// User annotations of the app that are kept from a config.
inline constexpr std::string_view kStopSignalAnnotation = "org.opencontainers.image.stopSignal";
inline constexpr std::string_view kHealthcheckAnnotation = "org.opencontainers.image.healthcheck";

}  // namespace airlock::image
