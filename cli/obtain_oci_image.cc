// SPDX-License-Identifier: Apache-2.0
#include "cli/obtain_oci_image.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/log.h"
#include "cli/oci_download.h"
#include "cli/options.h"
#include "cli/text_output.h"
#include "image/types.h"
#include "ipc/verify_messages.h"

namespace airlock::cli {

namespace {

// What an image is called in the store and by the policy.
struct Called {
  ImageName name;
  std::vector<Label> labels;
  std::string shown;
};

Result<Called> calledAs(const image::RegistryImage& image) {
  Called called{.name = TRY(image::imageNameOf(image.repository)),
                .labels = {},
                .shown = image::referenceText(image)};
  if (!image.tag.empty()) called.labels.push_back({"version", image.tag});
  return called;
}

ipc::OciSignature::Kind kindOf(ipc::OciAttachment::Kind kind) {
  switch (kind) {
    case ipc::OciAttachment::Kind::Cosign:
      return ipc::OciSignature::Kind::Cosign;
    case ipc::OciAttachment::Kind::SigstoreBundle:
      return ipc::OciSignature::Kind::Bundle;
    case ipc::OciAttachment::Kind::SimpleSigning:
      return ipc::OciSignature::Kind::Simple;
  }
  std::unreachable();
}

Result<std::string> signaturesOf(std::vector<OciAttachment>& attachments) {
  std::vector<ipc::OciSignature> signatures;
  for (OciAttachment& each : attachments) {
    signatures.push_back({.kind = kindOf(each.kind),
                          .content = std::move(each.content),
                          .annotations = std::move(each.annotations)});
  }
  return ipc::encodeOciSignatures(signatures);
}

Result<ipc::CatalogRecord> recordOf(const ImageStore& images, const ImageId& image) {
  const auto opened = TRY(images.open());
  if (opened) {
    if (auto record = TRY(opened->find(image))) return *std::move(record);
  }
  return refuse(ErrorKind::Failed, "E_STORE", "the image went away while it was imported");
}

// The documents decide first whether the image may be kept; layers follow as they come.
Result<ipc::CatalogRecord> importFrom(OciDownload& download, OciDocuments documents,
                                      const Options& options, const ImageStore& images,
                                      const Called& called, const std::string& origin) {
  const ipc::ImportOciRequest request{.name = called.name,
                                      .labels = called.labels,
                                      .origin = origin,
                                      .hasIndex = !documents.index.empty(),
                                      .skipSignature = options.insecure.image};
  if (request.skipSignature) inform("warning: image signature verification has been disabled");
  OciImporting importing =
      TRY(images.beginImport(request, {.manifest = std::move(documents.manifest),
                                       .config = std::move(documents.config),
                                       .signatures = TRY(signaturesOf(documents.attachments)),
                                       .index = std::move(documents.index)}));
  std::vector<std::size_t> wanted(importing.wanted().begin(), importing.wanted().end());
  if (std::ranges::any_of(wanted, [&](std::size_t i) { return i >= documents.layers.size(); }))
    return refuse(ErrorKind::Failed, "E_HELPER", "a layer is wanted that the image does not have");
  // The largest first: the last one to come has nothing beside it to be converted with.
  std::ranges::stable_sort(wanted, std::ranges::greater(),
                           [&](std::size_t i) { return documents.layers[i].size; });
  TRY(download.layers(wanted, [&](std::size_t number, Fd file) {
    return importing.give(static_cast<std::uint32_t>(number), std::move(file));
  }));
  const ipc::Imported imported = TRY(std::move(importing).finish());
  if (!imported.signers.empty()) {
    inform("signature verified:");
    for (const ipc::Signer& signer : imported.signers) {
      note("  " + (signer.userId.empty() ? signer.fingerprint.text() : printable(signer.userId)) +
           "\n");
    }
  }
  return recordOf(images, imported.image);
}

// An image is what it says it is until its signature is asked.  One that says no more than a tag,
// or a name without a registry, has a place that no registry has: a short name is never guessed.
Result<image::RegistryImage> nameOf(const image::LocalOciImage& image,
                                    const std::string& sourceName) {
  const std::string first = sourceName.substr(0, sourceName.find('/'));
  const bool hasHost = first.size() < sourceName.size() &&
                       (first.find_first_of(".:") != std::string::npos || first == "localhost");
  if (hasHost) return image::parseRegistryImage(sourceName);
  const bool isName = sourceName.find_first_of("/:") != std::string::npos;
  if (isName) return image::parseRegistryImage("localhost/" + sourceName);
  std::string path = image.path;
  while (path.ends_with('/')) path.pop_back();
  const std::string base =
      TRY(image::sanitizeAppName(path.substr(path.find_last_of('/') + 1))).text();
  return image::parseRegistryImage("localhost/" + base +
                                   (sourceName.empty() ? "" : ":" + sourceName));
}

}  // namespace

Result<ipc::CatalogRecord> obtainOciImage(const Options& options, const ImageStore& images,
                                          const image::RegistryImage& image, PullPolicy policy) {
  const Called called = TRY(calledAs(image));
  std::optional<ipc::CatalogRecord> stored;
  if (const auto opened = TRY(images.open())) stored = TRY(findOciImage(*opened, image));
  if (stored && (policy != PullPolicy::Update || image.digest)) {
    inform("using image from local store for image name " + printable(called.shown));
    return *std::move(stored);
  }
  if (policy == PullPolicy::Never) {
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "unable to fetch image from image name " + quoted(called.shown) +
                      ": either image was not found in the store or store was disabled and "
                      "fetching from remote yielded nothing or it was disabled",
                  "Fetch it with " + programName() + " fetch");
  }
  OciWish wish;
  // One that was let in without a signature is no answer to a request that wants it verified.
  const bool counts = stored && (!stored->signers.empty() || options.insecure.image);
  if (counts) wish.known = stored->index ? stored->index : std::optional(*stored->image.oci());
  wish.sigstore = !options.insecure.image;
  OciDownload download = TRY(OciDownload::start(options, image, wish));
  auto answer = TRY(download.documents());
  if (std::holds_alternative<OciDownload::Unchanged>(answer)) {
    if (!counts)
      return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher kept an image that is not there");
    return *std::move(stored);
  }
  return importFrom(download, std::get<OciDocuments>(std::move(answer)), options, images, called,
                    "docker://" + called.shown);
}

Result<ipc::CatalogRecord> obtainOciImage(const Options& options, const ImageStore& images,
                                          const image::LocalOciImage& image) {
  OciWish wish;
  wish.sigstore = !options.insecure.image;
  OciDownload download = TRY(OciDownload::start(options, image, wish));
  auto answer = TRY(download.documents());
  auto* documents = std::get_if<OciDocuments>(&answer);
  if (documents == nullptr)
    return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher kept an image that is not there");
  const Called called = TRY(calledAs(TRY(nameOf(image, documents->sourceName))));
  return importFrom(download, std::move(*documents), options, images, called,
                    image::referenceText(image));
}

}  // namespace airlock::cli
