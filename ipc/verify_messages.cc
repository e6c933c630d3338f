// SPDX-License-Identifier: Apache-2.0
#include "ipc/verify_messages.h"

#include <algorithm>
#include <functional>

#include "ipc/capnp.h"
#include "ipc/schema/verify.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {

namespace {
Result<RenderJob> readRenderJob(wire::RenderJob::Reader from) {
  if (from.getImages() == 0 || from.getImages() > limits::kDependencies + 1)
    return badValue("render job", "is of no image, or of too many");
  return RenderJob{.images = from.getImages()};
}
Result<ExtractJob> readExtractJob(wire::ExtractJob::Reader from) {
  if (from.getLayers() > limits::kOciLayers)
    return badValue("extract job", "is of too many layers");
  return ExtractJob{.layers = std::max<std::uint32_t>(from.getLayers(), 1)};
}
// Numbers of entries, each larger than the one before.
Result<std::vector<std::uint32_t>> readNumbers(capnp::List<std::uint32_t>::Reader from) {
  if (from.size() > limits::kSuperseded) return badValue("entries", "are too many");
  std::vector<std::uint32_t> numbers;
  for (const std::uint32_t number : from) numbers.push_back(number);
  if (std::ranges::adjacent_find(numbers, std::greater_equal{}) != numbers.end())
    return badValue("entries", "are not in their order");
  return numbers;
}
void writeNumbers(capnp::List<std::uint32_t>::Builder to,
                  const std::vector<std::uint32_t>& numbers) {
  for (unsigned i = 0; i < to.size(); ++i) to.set(i, numbers[i]);
}
Result<LayerJob> readLayerJob(wire::LayerJob::Reader from) {
  if (from.getLowers() > limits::kOciLayers || (from.getBottom() && from.getLowers() != 0))
    return badValue("layer job", "has a wrong number of layers below");
  return LayerJob{.bottom = from.getBottom(),
                  .lowers = from.getLowers(),
                  .skip = TRY(readNumbers(from.getSkip()))};
}
Result<DescribeJob> readDescribeJob(wire::DescribeJob::Reader from) {
  return DescribeJob{.name = TRY(readName<ImageName>(from.getName(), "image name")),
                     .labels = TRY(readLabels(from.getLabels())),
                     .manifest = TRY(readDigest<OciDigest>(from.getManifest(), "manifest digest")),
                     .hasIndex = from.getHasIndex()};
}
Result<VouchJob> readVouchJob(wire::VouchJob::Reader from) {
  constexpr std::size_t most = 2;
  return VouchJob{.digests = TRY(readList(from.getSigned(), most, "signed digests",
                                          [](capnp::Data::Reader digest) {
                                            return readDigest<OciDigest>(digest, "signed digest");
                                          })),
                  .name = TRY(readName<ImageName>(from.getName(), "image name")),
                  .version = TRY(readText(from.getVersion(), "version")),
                  .notBefore = from.getNotBefore()};
}
Result<OciBlob> readOciBlob(wire::OciBlob::Reader from) {
  return OciBlob{.digest = TRY(readDigest<OciDigest>(from.getDigest(), "blob digest")),
                 .bytes = from.getBytes()};
}
void writeOciBlob(wire::OciBlob::Builder to, const OciBlob& blob) {
  to.setDigest(raw(blob.digest));
  to.setBytes(blob.bytes);
}
Result<VerifyJob> readJob(wire::VerifyJob::Reader from) {
  switch (from.which()) {
    case wire::VerifyJob::UNSET:
      break;
    case wire::VerifyJob::AUTHENTICATE:
      return AuthenticateJob{.notBefore = from.getAuthenticate().getNotBefore()};
    case wire::VerifyJob::INFLATE:
      return InflateJob{.most = from.getInflate().getMost(), .layer = from.getInflate().getLayer()};
    case wire::VerifyJob::UNPACK:
      return UnpackJob{};
    case wire::VerifyJob::CHECK:
      return CheckJob{.layer = from.getCheck().getLayer()};
    case wire::VerifyJob::INSPECT_KEY:
      return InspectKeyJob{};
    case wire::VerifyJob::RENDER:
      return TRY(readRenderJob(from.getRender()));
    case wire::VerifyJob::EXTRACT:
      return TRY(readExtractJob(from.getExtract()));
    case wire::VerifyJob::LAYER:
      return TRY(readLayerJob(from.getLayer()));
    case wire::VerifyJob::DESCRIBE:
      return TRY(readDescribeJob(from.getDescribe()));
    case wire::VerifyJob::VOUCH:
      return TRY(readVouchJob(from.getVouch()));
  }
  return badValue("verify job", "is of an unknown kind");
}

Result<SignatureVerdict> readVerdict(wire::SignatureVerdict::Reader from) {
  return SignatureVerdict{.code = TRY(readText(from.getCode(), "verdict code")),
                          .fingerprint = TRY(readText(from.getFingerprint(), "verdict key")),
                          .userId = TRY(readText(from.getUserId(), "verdict user id")),
                          .hash = TRY(readText(from.getHash(), "verdict hash")),
                          .created = from.getCreated(),
                          .kind = TRY(readSignatureKind(from.getKind())),
                          .detail = TRY(readText(from.getDetail(), "verdict detail")),
                          .loggedAt = from.getLoggedAt()};
}
Result<Authenticated> readAuthenticated(wire::Authenticated::Reader from) {
  return Authenticated{.accepted = from.getAccepted(),
                       .signatures = TRY(readList(from.getSignatures(), limits::kSignatures,
                                                  "signatures", readVerdict))};
}
Result<Inflated> readInflated(wire::Inflated::Reader from) {
  return Inflated{.filter = TRY(readText(from.getFilter(), "filter")),
                  .bytesIn = from.getBytesIn(),
                  .bytesOut = from.getBytesOut()};
}
Result<Unpacked> readUnpacked(wire::Unpacked::Reader from) {
  return Unpacked{.name = TRY(readName<ImageName>(from.getName(), "image name")),
                  .labels = TRY(readLabels(from.getLabels())),
                  .entries = from.getEntries(),
                  .dependencies = TRY(readWanted(from.getDependencies())),
                  .hasWhitelist = from.getHasWhitelist()};
}
Result<KeyFacts> readKeyFacts(wire::KeyFacts::Reader from) {
  return KeyFacts{
      .fingerprint = TRY(readName<KeyFingerprint>(from.getFingerprint(), "key fingerprint")),
      .subkeys = TRY(readTexts(from.getSubkeys(), limits::kKeyParts, "subkeys")),
      .userIds = TRY(readTexts(from.getUserIds(), limits::kKeyParts, "user ids"))};
}

Result<Layered> readLayered(wire::Layered::Reader from) {
  return Layered{.entries = from.getEntries(),
                 .leftOut = from.getLeftOut(),
                 .superseded = TRY(readNumbers(from.getSuperseded())),
                 .needsLowers = from.getNeedsLowers(),
                 .hangsOnPlace = from.getHangsOnPlace()};
}
Result<Described> readDescribed(wire::Described::Reader from) {
  return Described{
      .config = TRY(readOciBlob(from.getConfig())),
      .layers = TRY(readList(from.getLayers(), limits::kOciLayers, "layers", readOciBlob)),
      .labels = TRY(readLabels(from.getLabels()))};
}

Result<VerifyReply> readReply(wire::VerifyReply::Reader from) {
  switch (from.which()) {
    case wire::VerifyReply::UNSET:
      break;
    case wire::VerifyReply::FAILURE:
      return TRY(readFailure(from.getFailure()));
    case wire::VerifyReply::AUTHENTICATED:
      return TRY(readAuthenticated(from.getAuthenticated()));
    case wire::VerifyReply::INFLATED:
      return TRY(readInflated(from.getInflated()));
    case wire::VerifyReply::UNPACKED:
      return TRY(readUnpacked(from.getUnpacked()));
    case wire::VerifyReply::CHECKED:
      return Checked{};
    case wire::VerifyReply::KEY_FACTS:
      return TRY(readKeyFacts(from.getKeyFacts()));
    case wire::VerifyReply::RENDERED:
      return Rendered{.entries = from.getRendered().getEntries()};
    case wire::VerifyReply::EXTRACTED:
      return Extracted{.entries = from.getExtracted().getEntries()};
    case wire::VerifyReply::LAYERED:
      return TRY(readLayered(from.getLayered()));
    case wire::VerifyReply::DESCRIBED:
      return TRY(readDescribed(from.getDescribed()));
  }
  return badValue("verify reply", "is of an unknown kind");
}

void writeAuthenticated(wire::Authenticated::Builder to, const Authenticated& value) {
  to.setAccepted(value.accepted);
  writeList(to.initSignatures(count(value.signatures)), value.signatures,
            [](wire::SignatureVerdict::Builder verdict, const SignatureVerdict& signature) {
              verdict.setCode(text(signature.code));
              verdict.setFingerprint(text(signature.fingerprint));
              verdict.setUserId(text(shown(signature.userId)));
              verdict.setHash(text(signature.hash));
              verdict.setCreated(signature.created);
              verdict.setKind(text(std::string(toString(signature.kind))));
              verdict.setDetail(text(shown(signature.detail)));
              verdict.setLoggedAt(signature.loggedAt);
            });
}
void writeInflated(wire::Inflated::Builder to, const Inflated& value) {
  to.setFilter(text(value.filter));
  to.setBytesIn(value.bytesIn);
  to.setBytesOut(value.bytesOut);
}
void writeUnpacked(wire::Unpacked::Builder to, const Unpacked& value) {
  to.setName(text(value.name.text()));
  writeLabels(to.initLabels(count(value.labels)), value.labels);
  to.setEntries(value.entries);
  writeWanted(to.initDependencies(count(value.dependencies)), value.dependencies);
  to.setHasWhitelist(value.hasWhitelist);
}
void writeKeyFacts(wire::KeyFacts::Builder to, const KeyFacts& value) {
  to.setFingerprint(text(value.fingerprint.text()));
  writeTexts(to.initSubkeys(count(value.subkeys)), value.subkeys);
  writeShown(to.initUserIds(count(value.userIds)), value.userIds);
}

Result<TrustedKey> readTrustedKey(wire::TrustedKey::Reader from) {
  const auto content = from.getContent();
  if (content.size() > limits::kKeyFileBytes) return badValue("key", "is too large");
  return TrustedKey{.fingerprint = TRY(readName<KeyFingerprint>(from.getFingerprint(), "key")),
                    .content = std::string(content.begin(), content.end()),
                    .log = from.getLog()};
}

void writeLayerJob(wire::LayerJob::Builder to, const LayerJob& value) {
  to.setBottom(value.bottom);
  to.setLowers(value.lowers);
  writeNumbers(to.initSkip(count(value.skip)), value.skip);
}
void writeLayered(wire::Layered::Builder to, const Layered& value) {
  to.setEntries(value.entries);
  to.setLeftOut(value.leftOut);
  writeNumbers(to.initSuperseded(count(value.superseded)), value.superseded);
  to.setNeedsLowers(value.needsLowers);
  to.setHangsOnPlace(value.hangsOnPlace);
}
void writeDescribed(wire::Described::Builder to, const Described& value) {
  writeOciBlob(to.initConfig(), value.config);
  writeList(to.initLayers(count(value.layers)), value.layers, writeOciBlob);
  writeLabels(to.initLabels(count(value.labels)), value.labels);
}

void writeJob(wire::VerifyJob::Builder to, const VerifyJob& job) {
  std::visit(Overloaded{[&](const AuthenticateJob& value) {
                          to.initAuthenticate().setNotBefore(value.notBefore);
                        },
                        [&](const InflateJob& value) {
                          auto inflate = to.initInflate();
                          inflate.setMost(value.most);
                          inflate.setLayer(value.layer);
                        },
                        [&](const UnpackJob&) { to.initUnpack(); },
                        [&](const CheckJob& value) { to.initCheck().setLayer(value.layer); },
                        [&](const InspectKeyJob&) { to.initInspectKey(); },
                        [&](const RenderJob& value) { to.initRender().setImages(value.images); },
                        [&](const ExtractJob& value) { to.initExtract().setLayers(value.layers); },
                        [&](const LayerJob& value) { writeLayerJob(to.initLayer(), value); },
                        [&](const DescribeJob& value) {
                          auto describe = to.initDescribe();
                          describe.setName(text(value.name.text()));
                          writeLabels(describe.initLabels(count(value.labels)), value.labels);
                          describe.setManifest(raw(value.manifest));
                          describe.setHasIndex(value.hasIndex);
                        },
                        [&](const VouchJob& value) {
                          auto vouch = to.initVouch();
                          auto digests = vouch.initSigned(count(value.digests));
                          for (unsigned i = 0; i < digests.size(); ++i)
                            digests.set(i, raw(value.digests[i]));
                          vouch.setName(text(value.name.text()));
                          vouch.setVersion(text(value.version));
                          vouch.setNotBefore(value.notBefore);
                        }},
             job);
}

void writeReply(wire::VerifyReply::Builder to, const VerifyReply& reply) {
  std::visit(
      Overloaded{
          [&](const Failure& value) { writeFailure(to.initFailure(), value); },
          [&](const Authenticated& value) { writeAuthenticated(to.initAuthenticated(), value); },
          [&](const Inflated& value) { writeInflated(to.initInflated(), value); },
          [&](const Unpacked& value) { writeUnpacked(to.initUnpacked(), value); },
          [&](const Checked&) { to.initChecked(); },
          [&](const KeyFacts& value) { writeKeyFacts(to.initKeyFacts(), value); },
          [&](const Rendered& value) { to.initRendered().setEntries(value.entries); },
          [&](const Extracted& value) { to.initExtracted().setEntries(value.entries); },
          [&](const Layered& value) { writeLayered(to.initLayered(), value); },
          [&](const Described& value) { writeDescribed(to.initDescribed(), value); }},
      reply);
}

using Kind = OciSignature::Kind;
Result<Kind> readKind(wire::OciSignature::Reader from) {
  switch (from.which()) {
    case wire::OciSignature::UNSET:
      break;
    case wire::OciSignature::COSIGN:
      return Kind::Cosign;
    case wire::OciSignature::BUNDLE:
      return Kind::Bundle;
    case wire::OciSignature::SIMPLE:
      return Kind::Simple;
  }
  return badValue("signature", "is of an unknown kind");
}
Result<std::string> readAttached(capnp::Data::Reader from) {
  if (from.size() > limits::kOciAttachmentBytes) return badValue("signature", "is too large");
  return std::string(from.begin(), from.end());
}
Result<OciSignature> readOciSignature(wire::OciSignature::Reader from) {
  return OciSignature{.kind = TRY(readKind(from)),
                      .content = TRY(readAttached(from.getContent())),
                      .annotations = TRY(readAttached(from.getAnnotations()))};
}
void writeOciSignature(wire::OciSignature::Builder to, const OciSignature& value) {
  to.setContent(raw(value.content));
  to.setAnnotations(raw(value.annotations));
  switch (value.kind) {
    case Kind::Cosign:
      return to.setCosign();
    case Kind::Bundle:
      return to.setBundle();
    case Kind::Simple:
      return to.setSimple();
  }
}
void writeOciSignatures(wire::OciSignatures::Builder to,
                        const std::vector<OciSignature>& signatures) {
  writeList(to.initSignatures(count(signatures)), signatures, writeOciSignature);
}
Result<std::vector<OciSignature>> readOciSignatures(wire::OciSignatures::Reader from) {
  return readList(from.getSignatures(), limits::kOciAttachments, "signatures", readOciSignature);
}

void writeKeys(wire::KeyBundle::Builder to, const std::vector<TrustedKey>& keys) {
  writeList(to.initKeys(count(keys)), keys,
            [](wire::TrustedKey::Builder builder, const TrustedKey& key) {
              builder.setFingerprint(text(key.fingerprint.text()));
              builder.setContent(raw(key.content));
              builder.setLog(key.log);
            });
}
Result<std::vector<TrustedKey>> readKeys(wire::KeyBundle::Reader from) {
  return readList(from.getKeys(), limits::kTrustedKeys, "keys", readTrustedKey);
}

Result<PlannedImage> readPlanned(wire::PlannedImage::Reader from) {
  const auto manifest = from.getManifest();
  if (manifest.size() > limits::kManifestBytes) return badValue("manifest", "is too large");
  return PlannedImage{.manifest = std::string(manifest.begin(), manifest.end()),
                      .depth = from.getDepth()};
}
void writePlan(wire::RenderPlan::Builder to, const std::vector<PlannedImage>& images) {
  writeList(to.initImages(count(images)), images,
            [](wire::PlannedImage::Builder builder, const PlannedImage& image) {
              builder.setManifest(raw(image.manifest));
              builder.setDepth(image.depth);
            });
}
Result<std::vector<PlannedImage>> readPlan(wire::RenderPlan::Reader from) {
  auto images =
      TRY(readList(from.getImages(), limits::kDependencies + 1, "planned images", readPlanned));
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::uint32_t least = i == 0 ? 0 : 1;
    const std::uint32_t most = i == 0 ? 0 : images[i - 1].depth + 1;
    if (images[i].depth < least || images[i].depth > most)
      return badValue("depth", "belongs to no image before it");
  }
  return images;
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

Result<std::string> encodeKeyBundle(const std::vector<TrustedKey>& keys) {
  return codec::encode<wire::KeyBundle>(
      limits::kSealedBytes, [&](auto to) { codec::writeKeys(to, keys); }, decodeKeyBundle);
}
Result<std::vector<TrustedKey>> decodeKeyBundle(std::string_view bytes) {
  return codec::decode<wire::KeyBundle>(bytes, limits::kSealedBytes, codec::readKeys);
}

Result<std::string> encodeRenderPlan(const std::vector<PlannedImage>& images) {
  return codec::encode<wire::RenderPlan>(
      limits::kSealedBytes, [&](auto to) { codec::writePlan(to, images); }, decodeRenderPlan);
}
Result<std::vector<PlannedImage>> decodeRenderPlan(std::string_view bytes) {
  return codec::decode<wire::RenderPlan>(bytes, limits::kSealedBytes, codec::readPlan);
}

Result<std::string> encodeOciSignatures(const std::vector<OciSignature>& signatures) {
  return codec::encode<wire::OciSignatures>(
      limits::kSealedBytes, [&](auto to) { codec::writeOciSignatures(to, signatures); },
      decodeOciSignatures);
}
Result<std::vector<OciSignature>> decodeOciSignatures(std::string_view bytes) {
  return codec::decode<wire::OciSignatures>(bytes, limits::kSealedBytes, codec::readOciSignatures);
}

Result<std::string> encode(const VerifyJob& job) {
  return codec::encode<wire::VerifyJob>(
      limits::kMessageBytes, [&](auto to) { codec::writeJob(to, job); }, decodeVerifyJob);
}
Result<VerifyJob> decodeVerifyJob(std::string_view bytes) {
  return codec::decode<wire::VerifyJob>(bytes, limits::kMessageBytes, codec::readJob);
}

Result<std::string> encode(const VerifyReply& reply) {
  return codec::encode<wire::VerifyReply>(
      limits::kMessageBytes, [&](auto to) { codec::writeReply(to, reply); }, decodeVerifyReply);
}
Result<VerifyReply> decodeVerifyReply(std::string_view bytes) {
  return codec::decode<wire::VerifyReply>(bytes, limits::kMessageBytes, codec::readReply);
}

}  // namespace airlock::ipc
