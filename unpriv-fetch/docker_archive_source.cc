// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/docker_archive_source.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/json_reader.h"
#include "image/oci_reference.h"
#include "unpriv-fetch/blob_file.h"
#include "unpriv-fetch/layout_source.h"

namespace airlock::fetch {
namespace {

// One element of manifest.json.
struct SavedImage {
  std::string config;
  std::vector<std::string> tags;
  std::vector<std::string> layers;
};

Result<SavedImage> readSavedImage(const image::Json& value, const std::string& where) {
  const image::ObjectReader reader = TRY(image::ObjectReader::of(value, where));
  SavedImage saved{.config = TRY(reader.text("Config")),
                   .tags = TRY(reader.textList("RepoTags", limits::kOciPlatforms)),
                   .layers = TRY(reader.textList("Layers", limits::kOciLayers))};
  if (saved.config.empty()) return image::refuseField(reader.at("Config"), "must be a file's name");
  return saved;
}

Result<std::vector<SavedImage>> readSavedImages(LocalFiles& files) {
  const std::string text = TRY(inContext(files.read("manifest.json", limits::kOciManifestBytes),
                                         "it is no archive of docker's"));
  const image::Json document = TRY(image::parseJson(text, limits::kOciManifestBytes));
  if (!document.is_array() || document.size() > limits::kOciPlatforms)
    return image::refuseField("manifest.json", "must be a list of images");
  std::vector<SavedImage> all;
  for (std::size_t i = 0; i < document.size(); ++i)
    all.push_back(TRY(readSavedImage(document[i], "manifest.json[" + std::to_string(i) + "]")));
  return all;
}

// "busybox" and "docker.io/library/busybox:latest" are the same tag.
bool isTag(const std::string& tag, const std::string& reference) {
  const auto one = image::parseRegistryImage(tag);
  const auto other = image::parseRegistryImage(reference);
  return tag == reference || (one && other && *one == *other);
}

Result<SavedImage> choose(std::vector<SavedImage> all, const std::string& reference) {
  const auto matches = [&](const SavedImage& saved) {
    return reference.empty() || std::ranges::any_of(saved.tags, [&](const std::string& tag) {
             return isTag(tag, reference);
           });
  };
  const auto found = std::ranges::find_if(all, matches);
  const auto more =
      found == all.end() ? all.end() : std::find_if(std::next(found), all.end(), matches);
  if (found != all.end() && more == all.end()) return std::move(*found);
  std::string tags;
  for (const SavedImage& saved : all) {
    for (const std::string& tag : saved.tags)
      if (tags.size() < 500) tags += (tags.empty() ? "" : ", ") + airlock::quoted(tag);
  }
  if (tags.empty()) tags = "none with a name";
  if (found == all.end()) {
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "the archive has no image" +
                      (reference.empty() ? "" : " named " + airlock::quoted(reference)) +
                      ": there is " + tags);
  }
  return refuse(ErrorKind::Invalid, "E_REFERENCE", "the archive has several images: " + tags,
                "name one of them after a colon");
}

image::Json descriptor(std::string_view type, std::uint64_t size, const OciDigest& digest) {
  image::Json object;
  object["mediaType"] = std::string(type);
  object["size"] = size;
  object["digest"] = ociText(digest);
  return object;
}

struct Measured {
  std::uint64_t size = 0;
  Sha256 hash;
};

// Size and digest of each layer as it lies in the archive.
Result<image::Json> layerDescriptors(LocalFiles& files, const std::vector<std::string>& paths) {
  std::vector<Measured> measured(paths.size());
  std::vector<FileWish> wishes;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    Measured& one = measured[i];
    wishes.push_back({.path = paths[i],
                      .take = [&one](std::string_view bytes) -> Result<void> {
                        one.size += bytes.size();
                        if (one.size > limits::kImageBytes)
                          return refuse(ErrorKind::Invalid, "E_LIMIT", "a layer is too large");
                        one.hash.update(bytes);
                        return {};
                      },
                      .finish = [] { return Result<void>(); }});
  }
  TRY(files.stream(wishes));
  image::Json list = image::Json::array();
  for (Measured& one : measured)
    list.push_back(descriptor(image::kDockerGzipLayerType, one.size, one.hash.finish()));
  return list;
}

}  // namespace

Result<OciSource::Root> DockerArchiveSource::root() {
  std::vector<SavedImage> all = TRY(readSavedImages(*files_));
  SavedImage saved = TRY(choose(std::move(all), reference_));
  config_ = TRY(files_->read(saved.config, limits::kOciConfigBytes));
  layerPaths_ = std::move(saved.layers);
  image::Json manifest;
  manifest["schemaVersion"] = 2;
  manifest["mediaType"] = std::string(image::kDockerManifestType);
  manifest["config"] = descriptor(image::kDockerConfigType, config_.size(), sha256Of(config_));
  manifest["layers"] = TRY(layerDescriptors(*files_, layerPaths_));
  std::string name = reference_;
  if (name.empty() && !saved.tags.empty()) name = saved.tags.front();
  return Root{.text = image::writeJson(manifest, image::JsonStyle::Compact),
              .contentType = std::string(image::kDockerManifestType),
              .name = std::move(name)};
}

Result<std::string> DockerArchiveSource::document(const image::OciDescriptor& which, std::size_t,
                                                  bool) {
  TRY(checkBlob(config_, which.digest, which.size, "the config " + ociText(which.digest)));
  return config_;
}

Result<std::vector<FoundAttachment>> DockerArchiveSource::signatures(const OciDigest&) {
  return std::vector<FoundAttachment>();
}

Result<void> DockerArchiveSource::layers(std::span<LayerFile> wanted, LayerBoard& board) {
  std::vector<std::string> paths;
  for (const LayerFile& layer : wanted) paths.push_back(layerPaths_[layer.index]);
  return copyLayers(*files_, paths, wanted, board);
}

}  // namespace airlock::fetch
