// SPDX-License-Identifier: Apache-2.0
#include "image/pod_manifest.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/manifest_json.h"
#include "image/types.h"

namespace airlock::image {

namespace {
constexpr std::uint32_t kDefaultMode = 0755;
constexpr std::uint32_t kHighestMode = 07777;
constexpr std::int64_t kHighestId = std::numeric_limits<std::uint32_t>::max() - 1;

Result<std::optional<std::uint32_t>> readMode(const ObjectReader& object) {
  const std::string text = TRY(object.text("mode"));
  if (text.empty()) return std::optional<std::uint32_t>();
  std::uint32_t mode = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, mode, 8);
  if (error != std::errc() || stop != end || mode > kHighestMode) {
    return refuseField(object.at("mode"), "must be octal permissions such as \"0755\"");
  }
  return std::optional<std::uint32_t>(mode);
}

Result<std::optional<std::uint32_t>> readId(const ObjectReader& object, std::string_view key) {
  const std::optional<std::int64_t> id = TRY(object.integer(key, 0, kHighestId));
  if (!id) return std::optional<std::uint32_t>();
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*id));
}

Result<void> checkVolume(const Volume& volume) {
  const std::string where = "volume " + volume.name.text();
  if (volume.kind == Volume::Kind::Empty) {
    if (!volume.source.empty()) return refuseField(where, "source for empty volume must be empty");
    if (volume.mode.value_or(0) > kHighestMode) return refuseField(where, "bad mode");
    return {};
  }
  if (volume.source.empty()) return refuseField(where, "source for host volume cannot be empty");
  if (volume.source.front() != '/') {
    return refuseField(where, "source for host volume must be absolute path");
  }
  if (volume.source.size() > limits::kPathBytes) return refuseField(where, "source is too long");
  if (volume.mode || volume.uid || volume.gid) {
    return refuseField(where, "mode, uid and gid are for empty volumes");
  }
  return {};
}

Result<Volume> readVolume(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  Volume volume{.name = TRY(readAppName(object, "name"))};
  const std::string kind = TRY(object.text("kind"));
  if (kind != "empty" && kind != "host") {
    return refuseField(object.where(),
                       R"(unrecognized volume kind: should be one of "empty", "host")");
  }
  volume.kind = kind == "host" ? Volume::Kind::Host : Volume::Kind::Empty;
  volume.source = TRY(object.text("source"));
  volume.readOnly = TRY(object.optionalBoolean("readOnly"));
  volume.recursive = TRY(object.optionalBoolean("recursive"));
  volume.mode = TRY(readMode(object));
  volume.uid = TRY(readId(object, "uid"));
  volume.gid = TRY(readId(object, "gid"));
  if (volume.kind == Volume::Kind::Empty) {
    volume.mode = volume.mode.value_or(kDefaultMode);
    volume.uid = volume.uid.value_or(0);
    volume.gid = volume.gid.value_or(0);
  }
  TRY(inContext(checkVolume(volume), object.where()));
  return volume;
}

Result<Mount> readMount(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  Mount mount{.volume = TRY(readAppName(object, "volume"))};
  mount.path = TRY(object.text("path"));
  if (const Json* own = object.find("appVolume")) {
    mount.appVolume = TRY(readVolume(*own, object.at("appVolume")));
  }
  return mount;
}

Result<RuntimeImage> readRuntimeImage(const ObjectReader& app) {
  const Json* value = app.find("image");
  if (value == nullptr) return refuseField(app.where(), "image must be set");
  const ObjectReader object = TRY(ObjectReader::of(*value, app.at("image")));
  RuntimeImage image;
  if (object.find("name") != nullptr) image.name = TRY(readImageName(object, "name"));
  image.id = TRY(object.text("id"));
  TRY(inContext(checkImageHash(image.id), object.at("id")));
  image.labels = TRY(readLabels(object, "labels"));
  return image;
}

Result<RuntimeApp> readRuntimeApp(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  AppName name = TRY(readAppName(object, "name"));
  RuntimeApp app{.name = std::move(name), .image = TRY(readRuntimeImage(object))};
  if (const Json* own = object.find("app")) app.app = TRY(readApp(*own, object.at("app")));
  app.readOnlyRootFs = TRY(object.boolean("readOnlyRootFS"));
  app.mounts = TRY(object.list<Mount>("mounts", limits::kMounts, readMount));
  app.annotations = TRY(readAnnotations(object, "annotations"));
  return app;
}

bool isAddress(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

Result<ExposedPort> readExposedPort(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  ExposedPort port{.name = TRY(readAppName(object, "name"))};
  port.hostPort = static_cast<std::uint16_t>(TRY(object.integer("hostPort", 0, 65535)).value_or(0));
  port.hostIp = TRY(object.text("hostIP"));
  if (const Json* pod = object.find("podPort")) {
    port.podPort = TRY(readPort(*pod, object.at("podPort")));
  }
  return port;
}

Json writeVolume(const Volume& volume) {
  Json json;
  json["name"] = volume.name.text();
  json["kind"] = volume.kind == Volume::Kind::Host ? "host" : "empty";
  if (!volume.source.empty()) json["source"] = volume.source;
  if (volume.readOnly) json["readOnly"] = *volume.readOnly;
  if (volume.recursive) json["recursive"] = *volume.recursive;
  if (volume.mode) {
    std::string octal;
    for (const unsigned shift : {9U, 6U, 3U, 0U}) {
      octal += static_cast<char>('0' + (*volume.mode >> shift & 7U));
    }
    json["mode"] = octal;
  }
  if (volume.uid) json["uid"] = *volume.uid;
  if (volume.gid) json["gid"] = *volume.gid;
  return json;
}

Json writeRuntimeApp(const RuntimeApp& app) {
  Json json;
  json["name"] = app.name.text();
  Json image;
  if (app.image.name) image["name"] = app.image.name->text();
  image["id"] = app.image.id;
  if (!app.image.labels.empty()) image["labels"] = writeLabels(app.image.labels);
  json["image"] = std::move(image);
  if (app.app) json["app"] = writeApp(*app.app);
  if (app.readOnlyRootFs) json["readOnlyRootFS"] = true;
  for (const Mount& mount : app.mounts) {
    Json entry{{"volume", mount.volume.text()}, {"path", mount.path}};
    if (mount.appVolume) entry["appVolume"] = writeVolume(*mount.appVolume);
    json["mounts"].push_back(std::move(entry));
  }
  if (!app.annotations.empty()) json["annotations"] = writeAnnotations(app.annotations);
  return json;
}

Json writeExposedPort(const ExposedPort& port) {
  Json json;
  json["name"] = port.name.text();
  json["hostPort"] = port.hostPort;
  if (!port.hostIp.empty()) json["hostIP"] = port.hostIp;
  if (port.podPort) json["podPort"] = writePort(*port.podPort);
  return json;
}
}  // namespace

Result<PodManifest> parsePodManifest(std::string_view json) {
  const Json document = TRY(parseJson(json, limits::kManifestBytes));
  const ObjectReader object = TRY(ObjectReader::of(document, ""));
  PodManifest manifest;
  manifest.acVersion = TRY(readHeader(object, "PodManifest"));
  manifest.apps = TRY(object.list<RuntimeApp>("apps", limits::kApps, readRuntimeApp));
  manifest.volumes = TRY(object.list<Volume>("volumes", limits::kMounts, readVolume));
  manifest.isolators = TRY(readIsolators(object, "isolators"));
  manifest.annotations = TRY(readAnnotations(object, "annotations"));
  manifest.ports = TRY(object.list<ExposedPort>("ports", limits::kLabels, readExposedPort));
  manifest.userAnnotations = TRY(object.textMap("userAnnotations"));
  manifest.userLabels = TRY(object.textMap("userLabels"));
  TRY(checkPodManifest(manifest));
  return manifest;
}

Result<void> checkPodManifest(const PodManifest& manifest) {
  std::set<std::string_view> apps;
  for (const RuntimeApp& app : manifest.apps) {
    if (!apps.insert(app.name.text()).second) {
      return refuseField("", "duplicate apps of name \"" + app.name.text() + "\"");
    }
    TRY(inContext(checkImageHash(app.image.id), "app " + app.name.text()));
    if (app.app) TRY(inContext(checkApp(*app.app), "app " + app.name.text()));
    for (const Mount& mount : app.mounts) {
      if (mount.path.empty() || mount.path.size() > limits::kPathBytes) {
        return refuseField("app " + app.name.text(),
                           "path must be set in mount of volume \"" + mount.volume.text() + "\"");
      }
      if (mount.appVolume) TRY(checkVolume(*mount.appVolume));
    }
  }
  std::set<std::string_view> volumes;
  for (const Volume& volume : manifest.volumes) {
    if (!volumes.insert(volume.name.text()).second) {
      return refuseField("", "duplicate volume name \"" + volume.name.text() + "\"");
    }
    TRY(checkVolume(volume));
  }
  for (const ExposedPort& port : manifest.ports) {
    const std::string where = "port " + port.name.text();
    if (port.hostPort == 0) return refuseField(where, "hostPort must be in 1-65535 range");
    if (!port.hostIp.empty() && !isAddress(port.hostIp)) {
      return refuseField(where, "hostIP " + airlock::quoted(port.hostIp) + " is not an address");
    }
  }
  return checkIsolators(manifest.isolators);
}

Result<void> requireApps(const PodManifest& manifest) {
  if (manifest.apps.empty()) {
    return refuse(ErrorKind::Invalid, "E_MANIFEST", "pod must contain at least one application",
                  "name an image, or put an app into the pod manifest");
  }
  return {};
}

std::string toJson(const PodManifest& manifest, JsonStyle style) {
  Json json;
  json["acVersion"] = manifest.acVersion;
  json["acKind"] = "PodManifest";
  for (const char* list : {"apps", "volumes", "isolators", "annotations", "ports"}) {
    json[list] = Json::array();
  }
  for (const RuntimeApp& app : manifest.apps) json["apps"].push_back(writeRuntimeApp(app));
  for (const Volume& volume : manifest.volumes) json["volumes"].push_back(writeVolume(volume));
  json["isolators"] = writeIsolators(manifest.isolators);
  json["annotations"] = writeAnnotations(manifest.annotations);
  for (const ExposedPort& port : manifest.ports) json["ports"].push_back(writeExposedPort(port));
  if (!manifest.userAnnotations.empty()) json["userAnnotations"] = manifest.userAnnotations;
  if (!manifest.userLabels.empty()) json["userLabels"] = manifest.userLabels;
  return writeJson(json, style);
}

}  // namespace airlock::image
