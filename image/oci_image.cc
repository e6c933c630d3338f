// SPDX-License-Identifier: Apache-2.0
#include "image/oci_image.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/limits.h"
#include "base/log.h"
#include "image/json.h"
#include "image/json_reader.h"
#include "image/types.h"

namespace airlock::image {

namespace {

constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

std::unexpected<Error> mediaType(std::string_view what, std::string_view type) {
  return refuse(ErrorKind::Unsupported, "E_MEDIA_TYPE",
                "the " + std::string(what) + " has the type " + airlock::quoted(type) +
                    ", which is none that an image to run is made of",
                "ask its publisher for an OCI or Docker (schema 2) image");
}

bool isLayer(std::string_view type) {
  constexpr std::string_view types[] = {"application/vnd.oci.image.layer.v1.tar",
                                        "application/vnd.oci.image.layer.v1.tar+gzip",
                                        "application/vnd.oci.image.layer.v1.tar+zstd",
                                        "application/vnd.docker.image.rootfs.diff.tar",
                                        "application/vnd.docker.image.rootfs.diff.tar.gzip",
                                        "application/vnd.docker.image.rootfs.diff.tar.zstd"};
  return std::ranges::find(types, type) != std::end(types);
}
bool isConfig(std::string_view type) {
  return type == "application/vnd.oci.image.config.v1+json" ||
         type == "application/vnd.docker.container.image.v1+json";
}

Result<OciBlob> readBlob(const ObjectReader& object) {
  const auto bytes = TRY(object.integer("size", 0, std::numeric_limits<std::int64_t>::max()));
  if (!bytes) return refuseField(object.at("size"), "is missing");
  return OciBlob{.digest = TRY(parseOciDigest(TRY(object.text("digest")))),
                 .bytes = static_cast<std::uint64_t>(*bytes)};
}

// An AC Identifier of any text, as docker2aci makes them: lower case, '-' for what is not allowed.
std::string sanitized(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool allowed = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
    if (allowed) {
      result += lower;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  while (result.ends_with('-')) result.pop_back();
  return result;
}

Result<std::vector<MountPoint>> mountPointsOf(const ObjectReader& config) {
  std::vector<MountPoint> points;
  const Json* volumes = config.find("Volumes");
  if (volumes == nullptr) return points;
  if (!volumes->is_object()) return refuseField(config.at("Volumes"), "must be an object");
  std::set<std::string> paths;
  for (const auto& item : volumes->items()) paths.insert(item.key());
  std::set<std::string> names;
  for (const std::string& path : paths) {
    if (!path.starts_with('/') || path == "/")
      return refuseField(config.at("Volumes"),
                         "has " + airlock::quoted(path) + ", no absolute path");
    const std::string base = sanitized("volume" + path);
    std::string name = base;
    for (int i = 1; !names.insert(name).second; ++i) name = base + "-" + std::to_string(i);
    points.push_back({.name = TRY(AppName::parse(name)), .path = path, .readOnly = false});
  }
  return points;
}

std::optional<std::uint16_t> portNumber(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

// "80", "80/tcp", "8000-8010/udp".
Result<std::vector<Port>> portsOf(const ObjectReader& config) {
  std::vector<Port> ports;
  const Json* exposed = config.find("ExposedPorts");
  if (exposed == nullptr) return ports;
  if (!exposed->is_object()) return refuseField(config.at("ExposedPorts"), "must be an object");
  std::map<std::string, Port> byName;
  for (const auto& item : exposed->items()) {
    const std::string_view text = item.key();
    const std::size_t slash = std::min(text.find('/'), text.size());
    const std::string_view range = text.substr(0, slash);
    const std::string protocol(slash == text.size() ? "tcp" : text.substr(slash + 1));
    const std::size_t dash = std::min(range.find('-'), range.size());
    const auto first = portNumber(range.substr(0, dash));
    const auto last = dash == range.size() ? first : portNumber(range.substr(dash + 1));
    const bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
    if (!first || !last || *last < *first || !known)
      return refuseField(config.at("ExposedPorts"), "has " + airlock::quoted(text) + ", no port");
    const std::string name = std::string(range) + "-" + protocol;
    byName.emplace(name, Port{.name = TRY(AppName::parse(name)),
                              .protocol = protocol,
                              .port = *first,
                              .count = static_cast<std::uint16_t>(*last - *first + 1),
                              .socketActivated = false});
  }
  for (auto& [name, port] : byName) ports.push_back(std::move(port));
  return ports;
}

// The last one of a name counts, as it does to every program that looks for it.
Result<std::vector<EnvironmentVariable>> environmentOf(const ObjectReader& config) {
  std::vector<EnvironmentVariable> environment;
  for (const std::string& entry : TRY(config.textList("Env", limits::kEnvironment))) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos || !checkEnvironmentName(entry.substr(0, equals))) continue;
    EnvironmentVariable variable{entry.substr(0, equals), entry.substr(equals + 1)};
    const auto same = std::ranges::find(environment, variable.name, &EnvironmentVariable::name);
    if (same == environment.end()) {
      environment.push_back(std::move(variable));
    } else {
      same->value = std::move(variable.value);
    }
  }
  return environment;
}

void setUser(App& app, const std::string& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  app.user = text.substr(0, colon);
  app.group = colon == text.size() ? "" : text.substr(colon + 1);
  if (app.user.empty()) app.user = "0";
  if (app.group.empty()) app.group = text.empty() ? "0" : "@user";
}

Result<App> appOf(const ObjectReader& config) {
  App app;
  app.exec = TRY(config.textList("Entrypoint", limits::kArguments));
  for (std::string& argument : TRY(config.textList("Cmd", limits::kArguments)))
    app.exec.push_back(std::move(argument));
  setUser(app, TRY(config.text("User")));
  app.workingDirectory = TRY(config.text("WorkingDir"));
  if (!app.workingDirectory.empty() && !app.workingDirectory.starts_with('/'))
    app.workingDirectory.insert(0, "/");
  app.environment = TRY(environmentOf(config));
  app.mountPoints = TRY(mountPointsOf(config));
  app.ports = TRY(portsOf(config));
  app.userLabels = TRY(config.textMap("Labels"));
  const std::string stopSignal = TRY(config.text("StopSignal"));
  if (!stopSignal.empty()) app.userAnnotations.emplace(kStopSignalAnnotation, stopSignal);
  if (const Json* health = config.find("Healthcheck"))
    app.userAnnotations.emplace(kHealthcheckAnnotation, writeJson(*health, JsonStyle::Compact));
  return app;
}

std::string jsonOf(const std::vector<std::string>& list) {
  return writeJson(Json(list), JsonStyle::Compact);
}

void annotate(ImageManifest& manifest, std::string name, std::string value) {
  if (!value.empty()) manifest.annotations.push_back({std::move(name), std::move(value)});
}

// Whole seconds: what appc's dates are compared by.
std::string createdOf(std::string text) {
  const bool isDate = checkDate(text).has_value();
  return isDate && !text.starts_with("0001-") ? text : "";
}

}  // namespace

Result<OciDigest> parseOciDigest(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  std::array<std::uint8_t, 32> bytes{};
  if (!text.starts_with(kAlgorithm) || !fromHex(text.substr(kAlgorithm.size()), bytes)) {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  airlock::quoted(text) + " is not a digest: expected sha256: and 64 hex digits");
  }
  return OciDigest(bytes);
}

std::string ociDigestText(const OciDigest& digest) { return "sha256:" + digest.hex(); }

Result<OciManifest> parseOciManifest(std::string_view json) {
  const Json whole = TRY(parseJson(json, limits::kOciManifestBytes));
  const ObjectReader object = TRY(ObjectReader::of(whole, ""));
  if (TRY(object.integer("schemaVersion", 0, 100)).value_or(0) != 2)
    return mediaType("manifest", "application/vnd.docker.distribution.manifest.v1+json");
  const std::string type = TRY(object.text("mediaType"));
  if (!type.empty() && type != kOciManifest && type != kDockerManifest)
    return mediaType("manifest", type);
  // One that has both could be read in two ways (OCI image spec, "ambiguous").
  if (object.find("manifests") != nullptr || object.find("fsLayers") != nullptr)
    return mediaType("manifest", type.empty() ? "of an index" : type);
  const std::string artifact = TRY(object.text("artifactType"));
  const Json* config = object.find("config");
  if (config == nullptr) return refuseField("config", "is missing");
  const ObjectReader configReader = TRY(ObjectReader::of(*config, "config"));
  const std::string configType = TRY(configReader.text("mediaType"));
  if (!isConfig(configType)) return mediaType("config", artifact.empty() ? configType : artifact);
  OciManifest manifest{.config = TRY(readBlob(configReader)), .layers = {}};
  manifest.layers = TRY(object.list<OciBlob>(
      "layers", limits::kOciLayers, [](const Json& value, std::string where) -> Result<OciBlob> {
        const ObjectReader layer = TRY(ObjectReader::of(value, std::move(where)));
        const std::string layerType = TRY(layer.text("mediaType"));
        if (!isLayer(layerType)) return mediaType("layer", layerType);
        return readBlob(layer);
      }));
  if (manifest.layers.empty()) return refuseField("layers", "are none: the image has no files");
  return manifest;
}

Result<void> checkInIndex(std::string_view index, const OciDigest& manifest) {
  const Json whole = TRY(parseJson(index, limits::kOciManifestBytes));
  const ObjectReader object = TRY(ObjectReader::of(whole, ""));
  const std::string type = TRY(object.text("mediaType"));
  constexpr std::string_view kTypes[] = {
      "", "application/vnd.oci.image.index.v1+json",
      "application/vnd.docker.distribution.manifest.list.v2+json"};
  if (std::ranges::find(kTypes, type) == std::end(kTypes) || object.find("config") != nullptr ||
      object.find("layers") != nullptr) {
    return mediaType("index", type);
  }
  const auto named =
      TRY(object.list<OciBlob>("manifests", limits::kOciPlatforms,
                               [](const Json& value, std::string where) -> Result<OciBlob> {
                                 return readBlob(TRY(ObjectReader::of(value, std::move(where))));
                               }));
  if (std::ranges::find(named, manifest, &OciBlob::digest) != named.end()) return {};
  return refuse(ErrorKind::Invalid, "E_DIGEST",
                "the index does not name the manifest of the image");
}

Result<ImageManifest> appcManifestOf(const ImageName& name, const std::vector<Label>& labels,
                                     const OciDigest& manifest, std::string_view config) {
  const Json whole = TRY(parseJson(config, limits::kOciConfigBytes));
  const ObjectReader object = TRY(ObjectReader::of(whole, ""));
  const std::string os = TRY(object.text("os"));
  if (os != "linux") {
    return refuse(ErrorKind::Unsupported, "E_PLATFORM",
                  "the image is for the operating system " + airlock::quoted(os),
                  "ask its publisher for one for linux");
  }
  ImageManifest result{.acVersion = std::string(kAppcVersion),
                       .name = name,
                       .labels = labels,
                       .app = {},
                       .annotations = {},
                       .dependencies = {},
                       .pathWhitelist = {}};
  std::erase_if(result.labels,
                [](const Label& label) { return label.name == "os" || label.name == "arch"; });
  result.labels.push_back({"os", "linux"});
  const std::string architecture = TRY(object.text("architecture"));
  const std::string variant = TRY(object.text("variant"));
  std::string_view arch = appcArchitecture(architecture);
  if (architecture == "arm") arch = variant == "v6" || variant == "v5" ? "armv6l" : "armv7l";
  if (arch.empty()) {
    return refuse(ErrorKind::Unsupported, "E_PLATFORM",
                  "the image is for the processor " + airlock::quoted(architecture),
                  "ask its publisher for one for this machine");
  }
  result.labels.push_back({"arch", std::string(arch)});
  const Json* inner = object.find("config");
  const Json none = Json::object();
  const ObjectReader settings = TRY(ObjectReader::of(inner == nullptr ? none : *inner, "config"));
  result.app = TRY(appOf(settings));
  annotate(result, "authors", TRY(object.text("author")));
  annotate(result, "created", createdOf(TRY(object.text("created"))));
  annotate(result, "appc.io/docker/manifesthash", ociDigestText(manifest));
  annotate(result, "appc.io/docker/entrypoint",
           jsonOf(TRY(settings.textList("Entrypoint", limits::kArguments))));
  annotate(result, "appc.io/docker/cmd", jsonOf(TRY(settings.textList("Cmd", limits::kArguments))));
  TRY(checkApp(*result.app));
  return result;
}

}  // namespace airlock::image
