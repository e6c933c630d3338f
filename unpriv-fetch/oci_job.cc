// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/oci_job.h"

#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "unpriv-fetch/archive_files.h"
#include "unpriv-fetch/blob_file.h"
#include "unpriv-fetch/docker_archive_source.h"
#include "unpriv-fetch/job_descriptors.h"
#include "unpriv-fetch/layout_source.h"
#include "unpriv-fetch/offered_files.h"
#include "unpriv-fetch/registry_source.h"
#include "unpriv-fetch/simple_signatures.h"

namespace airlock::fetch {
namespace {

constexpr int kWishTimeout = 600'000;  // milliseconds: the CLI asks the store what it lacks

// Takes the descriptors of a job one after the other.
class Descriptors {
 public:
  explicit Descriptors(ipc::FdTable& fds) : fds_(fds) {}
  Result<Fd> output() { return takeOutput(fds_, next_++); }
  Result<std::string> pem() { return takePem(fds_, next_++); }
  Result<Fd> file() {
    const std::size_t index = next_++;
    Fd file = TRY(fds_.take(index));
    if (S_ISREG(TRY(sys::status(file)).st_mode)) return file;
    return refuse(ErrorKind::Invalid, "E_FD",
                  "descriptor " + std::to_string(index) + " of the job is no regular file");
  }
  // Every one that came has been taken.
  Result<void> end() const { return fds_.expect(next_); }

 private:
  ipc::FdTable& fds_;
  std::size_t next_ = 0;
};

bool isArchive(const ipc::OciOrigin& origin) {
  return std::holds_alternative<ipc::FromOciArchive>(origin) ||
         std::holds_alternative<ipc::FromDockerArchive>(origin);
}

Result<EndpointAccess> takeEndpoint(const ipc::OciEndpoint& endpoint, const ipc::FetchOciJob& job,
                                    const ClientOptions& common, Descriptors& fds) {
  EndpointAccess access{.client = common, .credential = std::nullopt};
  if (endpoint.hasCaBundle) access.client.caBundle += "\n" + TRY(fds.pem());
  if (endpoint.hasClientCertificate) {
    access.client.clientCertificate = TRY(fds.pem());
    access.client.clientKey = TRY(fds.pem());
    access.client.certificateHost = endpoint.host;
  }
  const auto credential =
      std::ranges::find(job.options.credentials, endpoint.host, &ipc::Credential::host);
  if (credential != job.options.credentials.end()) access.credential = *credential;
  return access;
}

std::unique_ptr<LocalFiles> archiveFiles(const OciWork& work) {
  return std::make_unique<ArchiveFiles>(work.archive);
}

Result<std::unique_ptr<OciSource>> openSource(const OciWork& work, ipc::Channel& channel,
                                              Events& events) {
  if (std::holds_alternative<ipc::FromLayout>(work.job.origin)) {
    return std::make_unique<LayoutSource>(std::make_unique<OfferedFiles>(channel, events),
                                          work.job.tag, work.job.wantSigstore);
  }
  if (std::holds_alternative<ipc::FromOciArchive>(work.job.origin))
    return std::make_unique<LayoutSource>(archiveFiles(work), work.job.tag, work.job.wantSigstore);
  if (std::holds_alternative<ipc::FromDockerArchive>(work.job.origin))
    return std::make_unique<DockerArchiveSource>(archiveFiles(work), work.job.tag);
  std::vector<Registry> registries;
  const auto& endpoints = std::get<ipc::FromRegistry>(work.job.origin).endpoints;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const EndpointAccess& access = work.endpoints[i];
    if (endpoints[i].skipTlsCheck) TRY(events.note("warning: TLS verification has been disabled"));
    registries.push_back(TRY(Registry::make(endpoints[i], access.client, access.credential)));
  }
  return std::make_unique<RegistrySource>(std::move(registries), work.job.tag, work.job.digest,
                                          work.job.wantSigstore, events);
}

// An image while its documents come in.
struct Image {
  OciSource::Root root;
  std::optional<OciDigest> indexDigest;
  std::string manifestText;
  OciDigest manifestDigest;
  image::OciManifest manifest;
  std::string config;
  image::OciPlatform platform;
  std::vector<FoundAttachment> attachments;
};

image::OciPlatform wantedPlatform(const ipc::FetchOciJob& job) {
  return {job.platform.os, job.platform.architecture, job.platform.variant};
}

// The manifest, straight away or by way of one index.
Result<void> findManifest(const ipc::FetchOciJob& job, OciSource& source, Image& image) {
  image.root = TRY(source.root());
  const OciDigest digest = sha256Of(image.root.text);
  image::OciDocument document =
      TRY(image::parseOciDocument(image.root.text, image.root.contentType));
  if (const auto* index = std::get_if<image::OciIndex>(&document)) {
    const image::OciDescriptor chosen = TRY(image::chooseManifest(*index, wantedPlatform(job)));
    image.indexDigest = digest;
    image.manifestDigest = chosen.digest;
    if (job.knownDigest == digest || job.knownDigest == chosen.digest) return {};
    image.manifestText = TRY(source.document(chosen, limits::kOciManifestBytes, true));
    document = TRY(image::parseOciDocument(image.manifestText, chosen.mediaType));
  } else {
    image.manifestDigest = digest;
    image.manifestText = image.root.text;
  }
  auto* manifest = std::get_if<image::OciManifest>(&document);
  if (manifest == nullptr) {
    return refuse(ErrorKind::Unsupported, "E_MEDIA_TYPE",
                  "the index leads to another index, and not to a manifest");
  }
  image.manifest = std::move(*manifest);
  return {};
}

Result<void> checkLayerSizes(const image::OciManifest& manifest, std::uint64_t most) {
  for (const image::OciDescriptor& layer : manifest.layers) {
    if (layer.size <= most) continue;
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "layer " + ociText(layer.digest) + " has " + std::to_string(layer.size) +
                      " bytes, more than the " + std::to_string(most) + " that are allowed");
  }
  return {};
}

Result<void> findConfig(const ipc::FetchOciJob& job, OciSource& source, Image& image) {
  TRY(image::requireImage(image.manifest));
  TRY(checkLayerSizes(image.manifest, job.options.mostBytes));
  image.config = TRY(source.document(image.manifest.config, limits::kOciConfigBytes, false));
  image.platform = TRY(image::readOciConfig(image.config, image.manifest.layers.size()));
  return image::requirePlatform(wantedPlatform(job), image.platform);
}

Result<void> append(Image& image, std::vector<FoundAttachment> found, bool ofIndex) {
  for (FoundAttachment& one : found) {
    if (image.attachments.size() == limits::kOciAttachments)
      return refuse(ErrorKind::Invalid, "E_LIMIT", "the image has too many signatures");
    one.ofIndex = ofIndex;
    image.attachments.push_back(std::move(one));
  }
  return {};
}

Result<void> findSignatures(const OciWork& work, OciSource& source, ipc::Channel& channel,
                            Events& events, Image& image) {
  std::vector<std::pair<OciDigest, bool>> subjects = {{image.manifestDigest, false}};
  if (image.indexDigest) subjects.emplace_back(*image.indexDigest, true);
  const bool asks = work.job.wantSigstore || !work.job.lookasides.empty();
  if (asks) TRY(events.note("downloading signatures"));
  Client client = TRY(Client::make(work.client));
  OfferedFiles files(channel, events);
  const std::string& name = work.job.requestedName;
  for (const auto& [digest, ofIndex] : subjects) {
    TRY(append(image, TRY(source.signatures(digest)), ofIndex));
    for (const std::string& base : work.job.lookasides)
      TRY(append(image, TRY(simpleSignatures(client, base, name, digest)), ofIndex));
    for (std::uint8_t place = 0; place < work.job.lookasideDirectories; ++place)
      TRY(append(image, TRY(simpleSignatures(files, place, digest)), ofIndex));
  }
  return {};
}

Result<ipc::OciDocuments> write(const Image& image, FdRef file) {
  ipc::OciDocuments said{
      .manifestDigest = image.manifestDigest,
      .indexDigest = image.indexDigest,
      .mediaType = image.manifest.mediaType,
      .indexBytes = image.indexDigest ? image.root.text.size() : 0,
      .manifestBytes = image.manifestText.size(),
      .configBytes = image.config.size(),
      .attachments = {},
      .layers = {},
      .platform = {image.platform.os, image.platform.architecture, image.platform.variant},
      .sourceName = image.root.name};
  if (image.indexDigest) TRY(sys::writeAll(file, image.root.text));
  TRY(sys::writeAll(file, image.manifestText));
  TRY(sys::writeAll(file, image.config));
  for (const FoundAttachment& one : image.attachments) {
    TRY(sys::writeAll(file, one.content));
    TRY(sys::writeAll(file, one.annotations));
    said.attachments.push_back({.kind = one.kind,
                                .ofIndex = one.ofIndex,
                                .bytes = one.content.size(),
                                .annotationBytes = one.annotations.size()});
  }
  for (const image::OciDescriptor& layer : image.manifest.layers)
    said.layers.push_back({layer.digest, layer.size, layer.mediaType});
  return said;
}

std::unexpected<Error> badWish(std::string message) {
  return refuse(ErrorKind::Invalid, "E_JOB", std::move(message));
}

Result<std::vector<LayerFile>> receiveWishes(const image::OciManifest& manifest,
                                             ipc::Channel& channel) {
  std::vector<LayerFile> wanted;
  std::set<std::uint32_t> seen;
  for (bool last = false; !last;) {
    auto message = TRY(channel.receive(kWishTimeout));
    // The documents were all that it wanted, or the image may not be kept.
    if (!message) return refuse(ErrorKind::Failed, "E_GONE", "nobody wants the layers");
    const ipc::FetchLayers wishes = TRY(ipc::decodeFetchLayers(message->bytes));
    TRY(message->fds.expect(wishes.layers.size()));
    for (std::size_t i = 0; i < wishes.layers.size(); ++i) {
      const ipc::WantedLayer& wish = wishes.layers[i];
      if (wish.index >= manifest.layers.size() || !seen.insert(wish.index).second)
        return badWish("a layer is wanted that is not there, or twice");
      wanted.push_back({.index = wish.index,
                        .layer = manifest.layers[wish.index],
                        .resumeFrom = wish.resumeFrom,
                        .file = TRY(takeOutput(message->fds, i))});
    }
    last = wishes.last;
  }
  return wanted;
}

}  // namespace

std::vector<int> OciWork::descriptors() const {
  std::vector<int> all = {documents.get()};
  if (archive.valid()) all.push_back(archive.get());
  return all;
}

Result<OciWork> prepareOciWork(ipc::FetchOciJob job, ipc::FdTable table) {
  Descriptors fds(table);
  OciWork work;
  work.documents = TRY(fds.output());
  if (isArchive(job.origin)) work.archive = TRY(fds.file());
  work.client = clientOptions(job.options);
  work.client.caBundle = TRY(job.hasCaBundle ? fds.pem() : systemBundle());
  if (const auto* registry = std::get_if<ipc::FromRegistry>(&job.origin)) {
    for (const ipc::OciEndpoint& endpoint : registry->endpoints)
      work.endpoints.push_back(TRY(takeEndpoint(endpoint, job, work.client, fds)));
  }
  TRY(fds.end());
  constexpr std::uint64_t kDocuments =
      2 * limits::kOciManifestBytes + limits::kOciConfigBytes +
      limits::kOciAttachments * (limits::kOciAttachmentBytes + limits::kOciAnnotationBytes);
  work.largestFile = std::max<std::uint64_t>(job.options.mostBytes, kDocuments);
  work.job = std::move(job);
  return work;
}

Result<ipc::FetchEvent> runOci(const OciWork& work, ipc::Channel& channel, Events& events) {
  const std::unique_ptr<OciSource> source = TRY(openSource(work, channel, events));
  Image image;
  TRY(findManifest(work.job, *source, image));
  const auto& known = work.job.knownDigest;
  if (known && (known == image.indexDigest || known == image.manifestDigest)) {
    return ipc::OciUnchanged{.manifestDigest = image.manifestDigest,
                             .indexDigest = image.indexDigest};
  }
  TRY(findConfig(work.job, *source, image));
  TRY(findSignatures(work, *source, channel, events, image));
  TRY(events.send(TRY(write(image, work.documents))));
  std::vector<LayerFile> wanted = TRY(receiveWishes(image.manifest, channel));
  std::uint64_t total = 0;
  for (const LayerFile& layer : wanted) total += layer.layer.size;
  LayerBoard board(events, total);
  if (!wanted.empty()) TRY(source->layers(wanted, board));
  return ipc::OciDone{};
}

}  // namespace airlock::fetch
