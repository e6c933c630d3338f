// SPDX-License-Identifier: Apache-2.0
#include "ipc/fetch_oci.h"

#include "ipc/capnp.h"
#include "ipc/fetch_fields.h"
#include "ipc/fetch_messages.h"
#include "ipc/schema/fetch.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {

Result<std::optional<OciDigest>> readOptionalDigest(capnp::Data::Reader from,
                                                    std::string_view field) {
  if (from.size() == 0) return std::nullopt;
  return std::optional(TRY(readDigest<OciDigest>(from, field)));
}

Result<OciEndpoint> readEndpoint(wire::OciEndpoint::Reader from) {
  return OciEndpoint{.host = TRY(readText(from.getHost(), "registry")),
                     .repository = TRY(readText(from.getRepository(), "repository")),
                     .allowHttp = from.getAllowHttp(),
                     .skipTlsCheck = from.getSkipTlsCheck(),
                     .hasCaBundle = from.getHasCaBundle(),
                     .hasClientCertificate = from.getHasClientCertificate()};
}
void writeEndpoint(wire::OciEndpoint::Builder to, const OciEndpoint& value) {
  to.setHost(text(value.host));
  to.setRepository(text(value.repository));
  to.setAllowHttp(value.allowHttp);
  to.setSkipTlsCheck(value.skipTlsCheck);
  to.setHasCaBundle(value.hasCaBundle);
  to.setHasClientCertificate(value.hasClientCertificate);
}

Result<OciPlatform> readPlatform(wire::OciPlatform::Reader from) {
  return OciPlatform{
      .os = TRY(readText(from.getOs(), "operating system", limits::kNameBytes)),
      .architecture = TRY(readText(from.getArchitecture(), "architecture", limits::kNameBytes)),
      .variant = TRY(readText(from.getVariant(), "variant", limits::kNameBytes))};
}
void writePlatform(wire::OciPlatform::Builder to, const OciPlatform& value) {
  to.setOs(text(value.os));
  to.setArchitecture(text(value.architecture));
  to.setVariant(text(value.variant));
}

Result<OciOrigin> readOrigin(wire::FetchOciJob::Source::Reader from) {
  switch (from.which()) {
    case wire::FetchOciJob::Source::UNSET:
      break;
    case wire::FetchOciJob::Source::REGISTRY: {
      auto endpoints =
          TRY(readList(from.getRegistry(), limits::kOciEndpoints, "registries", readEndpoint));
      if (endpoints.empty()) return badValue("registries", "has no elements");
      return FromRegistry{std::move(endpoints)};
    }
    case wire::FetchOciJob::Source::LAYOUT:
      return FromLayout{};
    case wire::FetchOciJob::Source::OCI_ARCHIVE:
      return FromOciArchive{};
    case wire::FetchOciJob::Source::DOCKER_ARCHIVE:
      return FromDockerArchive{};
  }
  return badValue("source of an image", "is of an unknown kind");
}
void writeOrigin(wire::FetchOciJob::Source::Builder to, const OciOrigin& value) {
  std::visit(Overloaded{[&](const FromRegistry& registry) {
                          writeList(to.initRegistry(count(registry.endpoints)), registry.endpoints,
                                    writeEndpoint);
                        },
                        [&](const FromLayout&) { to.setLayout(); },
                        [&](const FromOciArchive&) { to.setOciArchive(); },
                        [&](const FromDockerArchive&) { to.setDockerArchive(); }},
             value);
}

Result<OciAttachment> readAttachment(wire::OciAttachment::Reader from) {
  OciAttachment value{.kind = OciAttachment::Kind::Cosign,
                      .ofIndex = from.getOfIndex(),
                      .bytes = from.getBytes(),
                      .annotationBytes = from.getAnnotationBytes()};
  if (value.bytes > limits::kOciAttachmentBytes ||
      value.annotationBytes > limits::kOciAnnotationBytes) {
    return badValue("attachment", "is too large");
  }
  switch (from.which()) {
    case wire::OciAttachment::UNSET:
      break;
    case wire::OciAttachment::COSIGN:
      return value;
    case wire::OciAttachment::SIGSTORE_BUNDLE:
      value.kind = OciAttachment::Kind::SigstoreBundle;
      return value;
    case wire::OciAttachment::SIMPLE_SIGNING:
      value.kind = OciAttachment::Kind::SimpleSigning;
      return value;
  }
  return badValue("attachment", "is of an unknown kind");
}
void writeAttachment(wire::OciAttachment::Builder to, const OciAttachment& value) {
  to.setOfIndex(value.ofIndex);
  to.setBytes(value.bytes);
  to.setAnnotationBytes(value.annotationBytes);
  switch (value.kind) {
    case OciAttachment::Kind::Cosign:
      return to.setCosign();
    case OciAttachment::Kind::SigstoreBundle:
      return to.setSigstoreBundle();
    case OciAttachment::Kind::SimpleSigning:
      return to.setSimpleSigning();
  }
}

Result<OciLayer> readLayer(wire::OciLayer::Reader from) {
  return OciLayer{
      .digest = TRY(readDigest<OciDigest>(from.getDigest(), "digest of a layer")),
      .size = from.getSize(),
      .mediaType = TRY(readText(from.getMediaType(), "type of a layer", limits::kMediaTypeBytes))};
}
void writeLayer(wire::OciLayer::Builder to, const OciLayer& value) {
  to.setDigest(raw(value.digest));
  to.setSize(value.size);
  to.setMediaType(text(value.mediaType));
}

Result<WantedLayer> readWantedLayer(wire::WantedLayer::Reader from) {
  if (from.getIndex() >= limits::kOciLayers) return badValue("layer", "is out of range");
  return WantedLayer{.index = from.getIndex(), .resumeFrom = from.getResumeFrom()};
}

Result<FetchLayers> readFetchLayers(wire::FetchLayers::Reader from) {
  return FetchLayers{.layers = TRY(readList(from.getLayers(), limits::kMessageDescriptors, "layers",
                                            readWantedLayer)),
                     .last = from.getLast()};
}

Result<OfferedFile> readOfferedFile(wire::OfferedFile::Reader from) {
  switch (from.which()) {
    case wire::OfferedFile::UNSET:
      break;
    case wire::OfferedFile::FILE:
      return OfferedFile{};
    case wire::OfferedFile::FAILURE:
      return OfferedFile{TRY(readFailure(from.getFailure()))};
  }
  return badValue("offered file", "is of an unknown kind");
}

}  // namespace

Result<OciFileWanted> readOciFileWanted(wire::OciFileWanted::Reader from) {
  switch (from.which()) {
    case wire::OciFileWanted::UNSET:
      break;
    case wire::OciFileWanted::LAYOUT_VERSION:
      return OciFileWanted{LayoutVersionFile{}};
    case wire::OciFileWanted::LAYOUT_INDEX:
      return OciFileWanted{LayoutIndexFile{}};
    case wire::OciFileWanted::BLOB:
      return OciFileWanted{LayoutBlob{TRY(readDigest<OciDigest>(from.getBlob(), "blob"))}};
    case wire::OciFileWanted::SIMPLE_SIGNATURE: {
      const auto signature = from.getSimpleSignature();
      return OciFileWanted{SimpleSignatureFile{
          .place = signature.getPlace(),
          .digest = TRY(readDigest<OciDigest>(signature.getDigest(), "signed digest")),
          .number = signature.getNumber()}};
    }
  }
  return badValue("wanted file", "is of an unknown kind");
}
void writeOciFileWanted(wire::OciFileWanted::Builder to, const OciFileWanted& value) {
  std::visit(Overloaded{[&](const LayoutVersionFile&) { to.setLayoutVersion(); },
                        [&](const LayoutIndexFile&) { to.setLayoutIndex(); },
                        [&](const LayoutBlob& blob) { to.setBlob(raw(blob.digest)); },
                        [&](const SimpleSignatureFile& file) {
                          auto signature = to.initSimpleSignature();
                          signature.setPlace(file.place);
                          signature.setDigest(raw(file.digest));
                          signature.setNumber(file.number);
                        }},
             value.file);
}

Result<FetchOciJob> readOciJob(wire::FetchOciJob::Reader from) {
  FetchOciJob job{.options = TRY(readOptions(from.getOptions())),
                  .hasCaBundle = from.getHasCaBundle(),
                  .origin = TRY(readOrigin(from.getSource())),
                  .tag = TRY(readText(from.getTag(), "tag")),
                  .digest = TRY(readOptionalDigest(from.getDigest(), "digest of an image")),
                  .platform = TRY(readPlatform(from.getPlatform())),
                  .wantSigstore = from.getWantSigstore(),
                  .lookasides = TRY(readTexts(from.getLookasides(), limits::kOciLookasides,
                                              "places of signatures")),
                  .lookasideDirectories = from.getLookasideDirectories(),
                  .knownDigest = TRY(readOptionalDigest(from.getKnownDigest(), "known digest")),
                  .requestedName = TRY(readText(from.getRequestedName(), "name of an image"))};
  if (job.lookasideDirectories > limits::kOciLookasides)
    return badValue("places of signatures", "has too many elements");
  return job;
}
void writeOciJob(wire::FetchOciJob::Builder to, const FetchOciJob& value) {
  writeOptions(to.initOptions(), value.options);
  to.setHasCaBundle(value.hasCaBundle);
  writeOrigin(to.initSource(), value.origin);
  to.setTag(text(value.tag));
  if (value.digest) to.setDigest(raw(*value.digest));
  writePlatform(to.initPlatform(), value.platform);
  to.setWantSigstore(value.wantSigstore);
  writeTexts(to.initLookasides(count(value.lookasides)), value.lookasides);
  to.setLookasideDirectories(value.lookasideDirectories);
  if (value.knownDigest) to.setKnownDigest(raw(*value.knownDigest));
  to.setRequestedName(text(value.requestedName));
}

Result<OciDocuments> readOciDocuments(wire::OciDocuments::Reader from) {
  OciDocuments value{
      .manifestDigest = TRY(readDigest<OciDigest>(from.getManifestDigest(), "manifest digest")),
      .indexDigest = TRY(readOptionalDigest(from.getIndexDigest(), "index digest")),
      .mediaType =
          TRY(readText(from.getMediaType(), "type of a manifest", limits::kMediaTypeBytes)),
      .indexBytes = from.getIndexBytes(),
      .manifestBytes = from.getManifestBytes(),
      .configBytes = from.getConfigBytes(),
      .attachments = TRY(
          readList(from.getAttachments(), limits::kOciAttachments, "attachments", readAttachment)),
      .layers = TRY(readList(from.getLayers(), limits::kOciLayers, "layers", readLayer)),
      .platform = TRY(readPlatform(from.getPlatform())),
      .sourceName = TRY(readText(from.getSourceName(), "name of an image"))};
  if (value.indexBytes > limits::kOciManifestBytes ||
      value.manifestBytes > limits::kOciManifestBytes ||
      value.configBytes > limits::kOciConfigBytes) {
    return badValue("document", "is too large");
  }
  return value;
}
void writeOciDocuments(wire::OciDocuments::Builder to, const OciDocuments& value) {
  to.setManifestDigest(raw(value.manifestDigest));
  if (value.indexDigest) to.setIndexDigest(raw(*value.indexDigest));
  to.setMediaType(text(value.mediaType));
  to.setIndexBytes(value.indexBytes);
  to.setManifestBytes(value.manifestBytes);
  to.setConfigBytes(value.configBytes);
  writeList(to.initAttachments(count(value.attachments)), value.attachments, writeAttachment);
  writeList(to.initLayers(count(value.layers)), value.layers, writeLayer);
  writePlatform(to.initPlatform(), value.platform);
  to.setSourceName(text(value.sourceName));
}

Result<OciUnchanged> readOciUnchanged(wire::OciUnchanged::Reader from) {
  return OciUnchanged{
      .manifestDigest = TRY(readDigest<OciDigest>(from.getManifestDigest(), "manifest digest")),
      .indexDigest = TRY(readOptionalDigest(from.getIndexDigest(), "index digest"))};
}
void writeOciUnchanged(wire::OciUnchanged::Builder to, const OciUnchanged& value) {
  to.setManifestDigest(raw(value.manifestDigest));
  if (value.indexDigest) to.setIndexDigest(raw(*value.indexDigest));
}

Result<OciLayerDone> readOciLayerDone(wire::OciLayerDone::Reader from) {
  if (from.getIndex() >= limits::kOciLayers) return badValue("layer", "is out of range");
  return OciLayerDone{from.getIndex()};
}

}  // namespace airlock::ipc::codec

namespace airlock::ipc {

Result<std::string> encode(const FetchLayers& wanted) {
  return codec::encode<wire::FetchLayers>(
      limits::kMessageBytes,
      [&](auto to) {
        codec::writeList(to.initLayers(codec::count(wanted.layers)), wanted.layers,
                         [](wire::WantedLayer::Builder builder, const WantedLayer& layer) {
                           builder.setIndex(layer.index);
                           builder.setResumeFrom(layer.resumeFrom);
                         });
        to.setLast(wanted.last);
      },
      decodeFetchLayers);
}
Result<FetchLayers> decodeFetchLayers(std::string_view bytes) {
  return codec::decode<wire::FetchLayers>(bytes, limits::kMessageBytes, codec::readFetchLayers);
}

Result<std::string> encode(const OfferedFile& offered) {
  return codec::encode<wire::OfferedFile>(
      limits::kMessageBytes,
      [&](auto to) {
        if (offered.failure) {
          codec::writeFailure(to.initFailure(), *offered.failure);
        } else {
          to.setFile();
        }
      },
      decodeOfferedFile);
}
Result<OfferedFile> decodeOfferedFile(std::string_view bytes) {
  return codec::decode<wire::OfferedFile>(bytes, limits::kMessageBytes, codec::readOfferedFile);
}

}  // namespace airlock::ipc
