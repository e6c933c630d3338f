// SPDX-License-Identifier: Apache-2.0
// The pod manifest of appc (spec, "Pod Manifest Schema"): values, reading, writing.  Pure;
// unprivileged code may use it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "image/manifest.h"

namespace airlock::image {

struct Volume {
  enum class Kind { Empty, Host };

  AppName name;
  Kind kind = Kind::Empty;
  std::string source;             // host: absolute path; empty: none
  std::optional<bool> readOnly;   // absent: as the mount point says
  std::optional<bool> recursive;  // absent: true, fly false
  // Of an empty volume's directory; a host volume has none of them.
  std::optional<std::uint32_t> mode;  // permission bits, 0..07777
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  bool operator==(const Volume&) const = default;
};

struct Mount {
  AppName volume;
  std::string path;                 // inside the app's root
  std::optional<Volume> appVolume;  // its own volume instead of the pod's of that name
  bool operator==(const Mount&) const = default;
};

struct RuntimeImage {
  std::optional<ImageName> name;
  std::string id;  // "sha512-" and 2..128 hex digits: the store decides which image that is
  std::vector<Label> labels;
  bool operator==(const RuntimeImage&) const = default;
};

struct RuntimeApp {
  AppName name;
  RuntimeImage image;
  std::optional<App> app;  // replaces the image's app wholly
  bool readOnlyRootFs = false;
  std::vector<Mount> mounts;
  std::vector<Annotation> annotations;
  bool operator==(const RuntimeApp&) const = default;
};

struct ExposedPort {
  AppName name;
  std::uint16_t hostPort = 0;  // 1..65535
  std::string hostIp;          // numeric address, or empty: all
  std::optional<Port> podPort;
  bool operator==(const ExposedPort&) const = default;
};

struct PodManifest {
  std::string acVersion;
  std::vector<RuntimeApp> apps;  // may be empty here: run and prepare call requireApps()
  std::vector<Volume> volumes;
  std::vector<Isolator> isolators;
  std::vector<Annotation> annotations;
  std::vector<ExposedPort> ports;
  std::map<std::string, std::string> userAnnotations;
  std::map<std::string, std::string> userLabels;
  bool operator==(const PodManifest&) const = default;
};

// Reads and checks as parseImageManifest does.
Result<PodManifest> parsePodManifest(std::string_view json);
// The rules between the parts, for a manifest put together from flags; parsePodManifest makes them
// too.
Result<void> checkPodManifest(const PodManifest& manifest);
// "pod must contain at least one application".
Result<void> requireApps(const PodManifest& manifest);
// As rkt's cat-manifest prints it, with [] where rkt prints null.
std::string toJson(const PodManifest& manifest, JsonStyle style);

}  // namespace airlock::image
