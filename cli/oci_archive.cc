// SPDX-License-Identifier: Apache-2.0
#include "cli/oci_archive.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <set>
#include <variant>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/ustar_writer.h"
#include "image/json.h"
#include "image/oci_manifest.h"
#include "store/byte_stream.h"

namespace airlock::cli {

namespace {

using image::Json;

// The name of a blob in a layout (OCI image spec, "Image Layout").
std::string blobPath(const OciDigest& digest) { return "blobs/sha256/" + digest.hex(); }

// Exactly the bytes that have this digest.
Result<void> addBlob(UstarWriter& archive, const OciDigest& digest, FdRef from) {
  const auto size = static_cast<std::uint64_t>(TRY(sys::status(from)).st_size);
  return archive.add(blobPath(digest), size, [&](FdRef out) -> Result<void> {
    Sha256 hash;
    const std::uint64_t written =
        TRY(store::pump(from, size, [&](std::span<const std::uint8_t> bytes) {
          hash.update(bytes);
          return sys::writeAll(out, bytes);
        }));
    if (written == size && OciDigest(hash.finish()) == digest) return {};
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  "the stored file " + digest.text() + " is not the one that was imported",
                  "Remove the image and fetch it again");
  });
}

Json descriptorOf(std::string_view mediaType, const OciDigest& digest, std::uint64_t size) {
  return {{"mediaType", mediaType}, {"digest", ociText(digest)}, {"size", size}};
}

struct Document {
  std::string mediaType;
  std::string content;
  OciDigest digest;
};

Result<Document> readDocument(FdRef file) {
  Document document{
      .mediaType = {}, .content = TRY(sys::readAll(file, limits::kOciManifestBytes)), .digest = {}};
  document.digest = ociDigestOf(document.content);
  const auto parsed = TRY(image::parseOciDocument(document.content, ""));
  document.mediaType = std::visit([](const auto& one) { return one.mediaType; }, parsed);
  if (document.mediaType.empty()) document.mediaType = image::kOciManifestType;
  return document;
}

// cosign's manifest: a layer for each payload, with the signature in its annotations.
Result<std::string> cosignManifest(const std::vector<ipc::OciSignature>& signatures) {
  Json layers = Json::array();
  Json diffIds = Json::array();
  for (const ipc::OciSignature& one : signatures) {
    if (one.kind != ipc::OciSignature::Kind::Cosign) continue;
    Json layer = descriptorOf("application/vnd.dev.cosign.simplesigning.v1+json",
                              ociDigestOf(one.content), one.content.size());
    layer["annotations"] = TRY(image::parseJson(one.annotations, limits::kOciAttachmentBytes));
    diffIds.push_back(layer["digest"]);
    layers.push_back(std::move(layer));
  }
  if (layers.empty()) return std::string();
  Json manifest = {{"schemaVersion", 2}, {"mediaType", image::kOciManifestType}};
  manifest["config"] = Json::object();
  manifest["config"] = descriptorOf(image::kOciConfigType, ociDigestOf("{}"), 2);
  manifest["layers"] = std::move(layers);
  return image::writeJson(manifest, image::JsonStyle::Compact);
}

}  // namespace

Result<void> writeOciArchive(FdRef output, const ipc::CatalogRecord& record,
                             const std::vector<Fd>& files,
                             const std::vector<ipc::OciSignature>& signatures) {
  UstarWriter archive(output);
  TRY(archive.add("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
  TRY(archive.directory("blobs/"));
  TRY(archive.directory("blobs/sha256/"));
  std::set<OciDigest> written;
  const auto put = [&](const OciDigest& digest, FdRef file) -> Result<void> {
    if (!written.insert(digest).second) return {};
    return addBlob(archive, digest, file);
  };
  const Document manifest = TRY(readDocument(TRY(store::readOnly(files[0]))));
  TRY(put(*record.image.oci(), files[0]));
  TRY(put(*record.config, files[1]));
  const std::size_t firstLayer = record.index ? 3 : 2;
  if (record.index) TRY(put(*record.index, files[2]));
  for (std::size_t i = 0; i < record.layers.size(); ++i)
    TRY(put(record.layers[i].blob, files[firstLayer + i]));

  Json manifests = Json::array();
  const auto version = labelValue(record.labels, "version");
  Json entry = descriptorOf(manifest.mediaType, manifest.digest, manifest.content.size());
  if (!version.empty()) entry["annotations"] = {{image::kRefNameAnnotation, version}};
  manifests.push_back(std::move(entry));
  if (const std::string cosign = TRY(cosignManifest(signatures)); !cosign.empty()) {
    for (const ipc::OciSignature& one : signatures) {
      const OciDigest digest = ociDigestOf(one.content);
      if (one.kind != ipc::OciSignature::Kind::Cosign || !written.insert(digest).second) continue;
      TRY(archive.add(blobPath(digest), one.content));
    }
    TRY(archive.add(blobPath(ociDigestOf("{}")), "{}"));
    TRY(archive.add(blobPath(ociDigestOf(cosign)), cosign));
    Json signature = descriptorOf(image::kOciManifestType, ociDigestOf(cosign), cosign.size());
    signature["annotations"] = {
        {image::kRefNameAnnotation, "sha256-" + manifest.digest.hex() + ".sig"}};
    manifests.push_back(std::move(signature));
  }
  const Json index = {{"schemaVersion", 2}, {"manifests", std::move(manifests)}};
  TRY(archive.add("index.json", image::writeJson(index, image::JsonStyle::Compact)));
  return archive.finish();
}

}  // namespace airlock::cli
