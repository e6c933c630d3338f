// SPDX-License-Identifier: Apache-2.0
// The image manifest of appc (spec, "Image Manifest Schema"): values, reading, writing.  Pure;
// unprivileged code may use it, the privileged helper must not (it parses nothing from outside).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "image/isolators.h"
#include "image/json.h"

namespace airlock::image {

struct Annotation {
  std::string name;
  std::string value;
  bool operator==(const Annotation&) const = default;
};
// The value of the annotation `name`, or an empty text.
std::string_view annotationValue(const std::vector<Annotation>& annotations, std::string_view name);

struct EventHandler {
  std::string name;  // "pre-start" or "post-stop", each at most once
  std::vector<std::string> exec;
  bool operator==(const EventHandler&) const = default;
};

struct EnvironmentVariable {
  std::string name;
  std::string value;
  bool operator==(const EnvironmentVariable&) const = default;
};

struct MountPoint {
  AppName name;
  std::string
      path;  // inside the app's root, never empty; may be relative to it and may lead through links
  bool readOnly = false;
  bool operator==(const MountPoint&) const = default;
};

struct Port {
  AppName name;
  std::string protocol;     // "tcp", "udp"
  std::uint16_t port = 0;   // 1..65535, the first of `count`
  std::uint16_t count = 1;  // at least 1
  bool socketActivated = false;
  bool operator==(const Port&) const = default;
};

struct App {
  std::vector<std::string> exec;  // may be empty: such an image does not run without --exec
  std::vector<EventHandler> eventHandlers;
  std::string user;  // a number, a name of the image's /etc/passwd, or a path of the image whose
                     // owner is meant
  std::string group;
  std::vector<std::uint32_t> supplementaryGids;
  std::string workingDirectory;  // absolute, or empty
  std::vector<EnvironmentVariable> environment;
  std::vector<MountPoint> mountPoints;
  std::vector<Port> ports;
  std::vector<Isolator> isolators;
  std::map<std::string, std::string> userAnnotations;
  std::map<std::string, std::string> userLabels;
  bool operator==(const App&) const = default;
};

struct Dependency {
  ImageName imageName;
  std::string imageId;  // "sha512-…", or empty
  std::vector<Label> labels;
  std::uint64_t size = 0;  // bytes of the image file, 0: not said
  bool operator==(const Dependency&) const = default;
};

struct ImageManifest {
  std::string acVersion;
  ImageName name;
  std::vector<Label> labels;
  std::optional<App> app;
  std::vector<Annotation> annotations;
  std::vector<Dependency> dependencies;
  std::vector<std::string> pathWhitelist;
  bool operator==(const ImageManifest&) const = default;
};

// Reads and checks all that the specification demands; refusals (E_JSON, E_MANIFEST, E_NAME,
// E_ISOLATOR, E_QUANTITY) name the place.  At most limits::kManifestBytes.  Fields that are not
// known are ignored.
Result<ImageManifest> parseImageManifest(std::string_view json);
// In the order in which appc's tools write.  What it gives parses to an equal value, but exec is []
// and never null. Never a substitute for the original bytes: those are what was signed and hashed.
std::string toJson(const ImageManifest& manifest, JsonStyle style);
// The checks of an App that was not parsed but put together from flags: the same as
// parseImageManifest makes.
Result<void> checkApp(const App& app);

// Does this image answer the request for `name` with `labels`?  Refusals (E_NAME, S20) are those of
// rkt.  A request without a version is answered by any.
Result<void> checkAnswers(const ImageManifest& manifest, const ImageName& name,
                          const std::vector<Label>& labels);
// The same question for a search through the store.
bool answers(const ImageManifest& manifest, const ImageName& name,
             const std::vector<Label>& labels);

}  // namespace airlock::image
