// SPDX-License-Identifier: Apache-2.0
#include "image/manifest.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/manifest_json.h"
#include "image/types.h"

namespace airlock::image {

namespace {
Result<Dependency> readDependency(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  if (object.find("imageName") == nullptr) {
    return refuseField(object.where(), "imageName cannot be empty");
  }
  Dependency dependency{.imageName = TRY(readImageName(object, "imageName"))};
  dependency.imageId = TRY(object.text("imageID"));
  if (!dependency.imageId.empty()) {
    TRY(inContext(checkImageHash(dependency.imageId), object.at("imageID")));
  }
  dependency.labels = TRY(readLabels(object, "labels"));
  const auto most = std::numeric_limits<std::int64_t>::max();
  dependency.size = static_cast<std::uint64_t>(TRY(object.integer("size", 0, most)).value_or(0));
  return dependency;
}

Json writeDependency(const Dependency& dependency) {
  Json json;
  json["imageName"] = dependency.imageName.text();
  if (!dependency.imageId.empty()) json["imageID"] = dependency.imageId;
  if (!dependency.labels.empty()) json["labels"] = writeLabels(dependency.labels);
  if (dependency.size != 0) json["size"] = dependency.size;
  return json;
}
}  // namespace

std::string_view annotationValue(const std::vector<Annotation>& annotations,
                                 std::string_view name) {
  const auto found = std::ranges::find(annotations, name, &Annotation::name);
  return found == annotations.end() ? std::string_view() : std::string_view(found->value);
}

Result<ImageManifest> parseImageManifest(std::string_view json) {
  const Json document = TRY(parseJson(json, limits::kManifestBytes));
  const ObjectReader object = TRY(ObjectReader::of(document, ""));
  std::string version = TRY(readHeader(object, "ImageManifest"));
  ImageManifest manifest{.acVersion = std::move(version),
                         .name = TRY(readImageName(object, "name"))};
  manifest.labels = TRY(readLabels(object, "labels"));
  if (const Json* app = object.find("app")) manifest.app = TRY(readApp(*app, "app"));
  manifest.annotations = TRY(readAnnotations(object, "annotations"));
  manifest.dependencies =
      TRY(object.list<Dependency>("dependencies", limits::kLabels, readDependency));
  manifest.pathWhitelist = TRY(object.textList("pathWhitelist", limits::kJsonValues));
  return manifest;
}

std::string toJson(const ImageManifest& manifest, JsonStyle style) {
  Json json;
  json["acKind"] = "ImageManifest";
  json["acVersion"] = manifest.acVersion;
  json["name"] = manifest.name.text();
  if (!manifest.labels.empty()) json["labels"] = writeLabels(manifest.labels);
  if (manifest.app) json["app"] = writeApp(*manifest.app);
  if (!manifest.annotations.empty()) json["annotations"] = writeAnnotations(manifest.annotations);
  for (const Dependency& dependency : manifest.dependencies) {
    json["dependencies"].push_back(writeDependency(dependency));
  }
  if (!manifest.pathWhitelist.empty()) json["pathWhitelist"] = manifest.pathWhitelist;
  return writeJson(json, style);
}

Result<void> checkAnswers(const ImageManifest& manifest, const ImageName& name,
                          const std::vector<Label>& labels) {
  const auto otherImage = [](std::string message) {
    return refuse(ErrorKind::Invalid, "E_NAME", std::move(message),
                  "the place you fetched from serves another image than you asked for");
  };
  if (manifest.name != name) {
    return otherImage("error when reading the app name: \"" + name.text() + "\" expected but \"" +
                      manifest.name.text() + "\" found");
  }
  for (const Label& wanted : labels) {
    const auto held = std::ranges::find(manifest.labels, wanted.name, &Label::name);
    if (held == manifest.labels.end()) {
      return otherImage("requested label " + airlock::quoted(wanted.name) +
                        " not provided by the image manifest");
    }
    if (held->value != wanted.value) {
      return otherImage("requested value for label " + airlock::quoted(wanted.name) + ": " +
                        airlock::quoted(wanted.value) +
                        " differs from fetched aci label value: " + airlock::quoted(held->value));
    }
  }
  return {};
}

bool answers(const ImageManifest& manifest, const ImageName& name,
             const std::vector<Label>& labels) {
  return manifest.name == name && std::ranges::all_of(labels, [&](const Label& wanted) {
           return std::ranges::find(manifest.labels, wanted) != manifest.labels.end();
         });
}

}  // namespace airlock::image
