// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/layout_source.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/json_reader.h"
#include "unpriv-fetch/blob_file.h"
#include "unpriv-fetch/sigstore.h"

namespace airlock::fetch {
namespace {

constexpr std::string_view kVersion = "1.0.0";

std::string blobPath(const OciDigest& digest) { return "blobs/sha256/" + digest.hex(); }

std::string nameOf(const image::OciDescriptor& manifest) {
  const auto found = manifest.annotations.find(std::string(image::kRefNameAnnotation));
  return found == manifest.annotations.end() ? std::string() : found->second;
}

Result<void> checkVersion(LocalFiles& files) {
  const std::string text =
      TRY(inContext(files.read("oci-layout", limits::kConfigurationBytes), "it is no OCI layout"));
  const image::Json document = TRY(image::parseJson(text, limits::kConfigurationBytes));
  const image::ObjectReader reader = TRY(image::ObjectReader::of(document, "oci-layout"));
  if (TRY(reader.text("imageLayoutVersion")) == kVersion) return {};
  return image::refuseField(reader.at("imageLayoutVersion"), "must be 1.0.0");
}

std::string namesIn(const image::OciIndex& index) {
  std::string names;
  for (const image::OciDescriptor& manifest : index.manifests) {
    const std::string name = nameOf(manifest);
    if (name.empty() || names.size() > 500) continue;
    names += (names.empty() ? "" : ", ") + airlock::quoted(name);
  }
  return names.empty() ? "none with a name" : names;
}

Result<image::OciDescriptor> choose(const image::OciIndex& index, const std::string& reference) {
  const image::OciDescriptor* found = nullptr;
  for (const image::OciDescriptor& manifest : index.manifests) {
    const std::string name = nameOf(manifest);
    if (reference.empty() ? isAttachmentTag(name) : name != reference) continue;
    if (found != nullptr && found->digest != manifest.digest) {
      return refuse(ErrorKind::Invalid, "E_REFERENCE",
                    "the layout has several images" +
                        (reference.empty() ? "" : " named " + airlock::quoted(reference)) + ": " +
                        namesIn(index),
                    "name one of them after a colon");
    }
    found = &manifest;
  }
  if (found != nullptr) return *found;
  return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                "the layout has no image" +
                    (reference.empty() ? "" : " named " + airlock::quoted(reference)) +
                    ": there is " + namesIn(index));
}

// What a layout has beside an image: under the tags that it would have in a registry.
class LayoutPlace : public ManifestPlace {
 public:
  LayoutPlace(LocalFiles& files, const image::OciIndex& index) : files_(&files), index_(&index) {}

  Result<std::optional<Found>> byTag(const std::string& tag) override {
    const auto found = std::ranges::find(index_->manifests, tag, nameOf);
    if (found == index_->manifests.end()) return std::nullopt;
    return Found{TRY(blob(*found, limits::kOciManifestBytes)), found->mediaType};
  }
  Result<std::optional<Found>> referrers(const OciDigest&, std::string_view) override {
    return std::nullopt;
  }
  Result<std::optional<std::string>> manifest(const image::OciDescriptor& which,
                                              std::size_t most) override {
    return std::optional(TRY(blob(which, most)));
  }
  Result<std::string> blob(const image::OciDescriptor& which, std::size_t most) override {
    std::string text = TRY(files_->read(blobPath(which.digest), most));
    TRY(checkBlob(text, which.digest, which.size, "the signature " + ociText(which.digest)));
    return text;
  }

 private:
  LocalFiles* files_;
  const image::OciIndex* index_;
};

}  // namespace

Result<OciSource::Root> LayoutSource::root() {
  TRY(checkVersion(*files_));
  const std::string text = TRY(files_->read("index.json", limits::kOciManifestBytes));
  image::OciDocument document = TRY(
      inContext(image::parseOciDocument(text, image::kOciIndexType), "index.json of the layout"));
  auto* index = std::get_if<image::OciIndex>(&document);
  if (index == nullptr)
    return refuse(ErrorKind::Invalid, "E_MANIFEST", "index.json of the layout is no index");
  index_ = std::move(*index);
  const image::OciDescriptor chosen = TRY(choose(index_, reference_));
  std::string content = TRY(this->document(chosen, limits::kOciManifestBytes, true));
  return Root{.text = std::move(content), .contentType = chosen.mediaType, .name = nameOf(chosen)};
}

Result<std::string> LayoutSource::document(const image::OciDescriptor& which, std::size_t most,
                                           bool isManifest) {
  std::string text = TRY(files_->read(blobPath(which.digest), most));
  TRY(checkBlob(text, which.digest, which.size,
                (isManifest ? "the manifest " : "the config ") + ociText(which.digest)));
  return text;
}

Result<std::vector<FoundAttachment>> LayoutSource::signatures(const OciDigest& digest) {
  if (!wantSigstore_) return std::vector<FoundAttachment>();
  LayoutPlace place(*files_, index_);
  return sigstoreSignatures(place, digest);
}

Result<void> LayoutSource::layers(std::span<LayerFile> wanted, LayerBoard& board) {
  std::vector<std::string> paths;
  for (const LayerFile& layer : wanted) paths.push_back(blobPath(layer.layer.digest));
  return copyLayers(*files_, paths, wanted, board);
}

Result<void> copyLayers(LocalFiles& files, const std::vector<std::string>& paths,
                        std::span<LayerFile> wanted, LayerBoard& board) {
  std::vector<BlobFile> blobs;
  for (const LayerFile& layer : wanted)
    blobs.emplace_back(layer.file, layer.layer.digest, layer.layer.size);
  std::vector<FileWish> wishes;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    BlobFile& blob = blobs[i];
    wishes.push_back({.path = paths[i],
                      .take = [&blob, &board](std::string_view bytes) -> Result<void> {
                        const std::uint64_t before = blob.position();
                        TRY(blob.take(bytes));
                        return board.advance(before, blob.position());
                      },
                      .finish = [&blob, &board, index = wanted[i].index]() -> Result<void> {
                        TRY(blob.finish());
                        return board.done(index);
                      }});
  }
  TRY(files.stream(wishes));
  return board.finish();
}

}  // namespace airlock::fetch
