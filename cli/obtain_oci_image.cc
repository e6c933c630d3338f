// SPDX-License-Identifier: Apache-2.0
#include "cli/obtain_oci_image.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/log.h"
#include "base/sealed.h"
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

Result<Sealed> sealedSignatures(std::vector<OciAttachment>& attachments) {
  std::vector<ipc::OciSignature> signatures;
  for (OciAttachment& each : attachments) {
    signatures.push_back({.kind = kindOf(each.kind),
                          .content = std::move(each.content),
                          .annotations = std::move(each.annotations)});
  }
  return Sealed::make("airlock-signatures", TRY(ipc::encodeOciSignatures(signatures)));
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
  const Sealed manifest = TRY(Sealed::make("airlock-manifest", documents.manifest));
  const Sealed config = TRY(Sealed::make("airlock-config", documents.config));
  const Sealed signatures = TRY(sealedSignatures(documents.attachments));
  std::optional<Sealed> index;
  if (!documents.index.empty()) index = TRY(Sealed::make("airlock-index", documents.index));
  const ipc::ImportOciRequest request{.name = called.name,
                                      .labels = called.labels,
                                      .origin = origin,
                                      .hasIndex = index.has_value(),
                                      .skipSignature = options.insecure.image};
  if (request.skipSignature) inform("warning: image signature verification has been disabled");
  OciImporting importing = TRY(
      images.beginImport(request, {.manifest = manifest.fd(),
                                   .config = config.fd(),
                                   .signatures = signatures.fd(),
                                   .index = index ? std::optional(index->fd()) : std::nullopt}));
  const std::vector<std::size_t> wanted(importing.wanted().begin(), importing.wanted().end());
  if (std::ranges::any_of(wanted, [&](std::size_t i) { return i >= documents.layers.size(); }))
    return refuse(ErrorKind::Failed, "E_HELPER", "a layer is wanted that the image does not have");
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
  inform("remote fetching from registry " + printable(image.repository.authority()));
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
  // An image is what it says it is until its signature is asked; one without a name has a place
  // that no registry has.
  auto named = image::parseRegistryImage(documents->sourceName);
  if (!named || documents->sourceName.empty()) {
    std::string base = image.path.substr(image.path.find_last_of('/') + 1);
    base = TRY(image::sanitizeAppName(base.empty() ? "image" : base)).text();
    named = image::parseRegistryImage(
        "localhost/" + base + (documents->sourceName.empty() ? "" : ":" + documents->sourceName));
    if (!named) named = image::parseRegistryImage("localhost/" + base);
  }
  const Called called = TRY(calledAs(TRY(std::move(named))));
  return importFrom(download, std::move(*documents), options, images, called,
                    image::referenceText(image));
}

}  // namespace airlock::cli
