// SPDX-License-Identifier: Apache-2.0
#include "ipc/measure_messages.h"

#include "ipc/attest_fields.h"
#include "ipc/capnp.h"
#include "ipc/schema/measure.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
using Event = decltype(MeasureJob::event);

template <class Kind>
Result<std::vector<std::pair<std::string, Kind>>> readNamedDigests(
    capnp::List<wire::NamedDigest>::Reader from, std::size_t most, std::string_view field) {
  using Pair = std::pair<std::string, Kind>;
  return readList(from, most, field, [&](wire::NamedDigest::Reader entry) -> Result<Pair> {
    return Pair(TRY(readText(entry.getName(), field)),
                TRY(readDigest<Kind>(entry.getDigest(), field)));
  });
}
template <class Kind>
void writeNamedDigests(capnp::List<wire::NamedDigest>::Builder to,
                       const std::vector<std::pair<std::string, Kind>>& digests) {
  writeList(to, digests, [](wire::NamedDigest::Builder builder, const auto& entry) {
    builder.setName(text(entry.first));
    builder.setDigest(raw(entry.second));
  });
}

using TextPair = std::pair<std::string, std::string>;
Result<TextPair> readTextPair(wire::NamedText::Reader from) {
  return TextPair(TRY(readText(from.getName(), "trust scope")),
                  TRY(readText(from.getValue(), "trusted key")));
}

Result<std::optional<ContentDigest>> readTrustFiles(capnp::Data::Reader bytes) {
  if (bytes.size() == 0) return std::optional<ContentDigest>();
  return std::optional(TRY(readDigest<ContentDigest>(bytes, "digest of key files")));
}

Result<EngineFacts> readEngine(wire::EngineFacts::Reader from) {
  return EngineFacts{
      .version = TRY(readText(from.getVersion(), "version")),
      .programs =
          TRY(readNamedDigests<ContentDigest>(from.getPrograms(), limits::kPrograms, "programs")),
      .bootId = TRY(readText(from.getBootId(), "boot id")),
      .policy = TRY(readDigest<ContentDigest>(from.getPolicy(), "policy digest")),
      .policySummary =
          TRY(readText(from.getPolicySummary(), "policy summary", limits::kPolicySummaryBytes)),
      .trust = TRY(readDigest<ContentDigest>(from.getTrust(), "trust digest")),
      .trusted = TRY(readList(from.getTrusted(), limits::kTrustEntries, "trusted", readTextPair)),
      .layers = TRY(readLayers(from.getLayers())),
      .trustFiles = TRY(readTrustFiles(from.getTrustFiles()))};
}
void writeEngine(wire::EngineFacts::Builder to, const EngineFacts& value) {
  to.setVersion(text(value.version));
  writeNamedDigests(to.initPrograms(count(value.programs)), value.programs);
  to.setBootId(text(value.bootId));
  to.setPolicy(raw(value.policy));
  to.setPolicySummary(text(value.policySummary));
  to.setTrust(raw(value.trust));
  writeList(to.initTrusted(count(value.trusted)), value.trusted,
            [](wire::NamedText::Builder builder, const TextPair& entry) {
              builder.setName(text(entry.first));
              builder.setValue(text(entry.second));
            });
  writeLayers(to.initLayers(count(value.layers)), value.layers);
  if (value.trustFiles) to.setTrustFiles(raw(*value.trustFiles));
}

Result<ImageFacts> readImage(wire::ImageFacts::Reader from) {
  return ImageFacts{
      .image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
      .name = TRY(readText(from.getName(), "image name")),
      .labels = TRY(readLabels(from.getLabels())),
      .tree = TRY(readDigest<TreeDigest>(from.getTree(), "tree digest")),
      .content = TRY(readText(from.getContent(), "content")),
      .signers = TRY(readTexts(from.getSigners(), limits::kSignatures, "signers")),
      .rule = TRY(readText(from.getRule(), "rule")),
      .origin = TRY(readText(from.getOrigin(), "origin")),
      .insecure = from.getInsecure(),
      .dependencies = TRY(readTexts(from.getDependencies(), limits::kDependencies, "dependencies")),
      .layers = TRY(readList(
          from.getLayers(), limits::kOciLayers, "layers",
          [](capnp::Data::Reader layer) { return readDigest<OciDigest>(layer, "layer digest"); }))};
}
void writeImage(wire::ImageFacts::Builder to, const ImageFacts& value) {
  to.setImage(raw(value.image));
  to.setName(text(value.name));
  writeLabels(to.initLabels(count(value.labels)), value.labels);
  to.setTree(raw(value.tree));
  to.setContent(text(value.content));
  writeTexts(to.initSigners(count(value.signers)), value.signers);
  to.setRule(text(value.rule));
  to.setOrigin(text(value.origin));
  to.setInsecure(value.insecure);
  writeTexts(to.initDependencies(count(value.dependencies)), value.dependencies);
  auto layers = to.initLayers(count(value.layers));
  for (unsigned i = 0; i < layers.size(); ++i) layers.set(i, raw(value.layers[i]));
}

Result<PodFacts> readPod(wire::PodFacts::Reader from) {
  return PodFacts{
      .pod = TRY(readPodId(from.getPod(), "pod id")),
      .manifest = TRY(readDigest<ContentDigest>(from.getManifest(), "manifest digest")),
      .spec = TRY(readDigest<ContentDigest>(from.getSpec(), "spec digest")),
      .stage1 = TRY(readText(from.getStage1(), "stage1")),
      .stage1Digest = TRY(readDigest<ContentDigest>(from.getStage1Digest(), "stage1 digest")),
      .apps = TRY(readNamedDigests<ImageId>(from.getApps(), limits::kApps, "apps")),
      .callerUid = from.getCallerUid(),
      .firstUid = from.getFirstUid(),
      .network = TRY(readText(from.getNetwork(), "network")),
      .volumes = TRY(readTexts(from.getVolumes(), limits::kMounts, "volumes")),
      .selinux = TRY(readText(from.getSelinux(), "SELinux type")),
      .audit = TRY(readText(from.getAudit(), "audit line"))};
}
void writePod(wire::PodFacts::Builder to, const PodFacts& value) {
  to.setPod(raw(value.pod));
  to.setManifest(raw(value.manifest));
  to.setSpec(raw(value.spec));
  to.setStage1(text(value.stage1));
  to.setStage1Digest(raw(value.stage1Digest));
  writeNamedDigests(to.initApps(count(value.apps)), value.apps);
  to.setCallerUid(value.callerUid);
  to.setFirstUid(value.firstUid);
  to.setNetwork(text(value.network));
  writeTexts(to.initVolumes(count(value.volumes)), value.volumes);
  to.setSelinux(text(value.selinux));
  to.setAudit(text(value.audit));
}

Result<EnterFacts> readEnter(wire::EnterFacts::Reader from) {
  return EnterFacts{
      .pod = TRY(readPodId(from.getPod(), "pod id")),
      .app = TRY(readText(from.getApp(), "app")),
      .arguments = TRY(readDigest<ContentDigest>(from.getArguments(), "arguments digest")),
      .callerUid = from.getCallerUid(),
      .audit = TRY(readText(from.getAudit(), "audit line"))};
}
void writeEnter(wire::EnterFacts::Builder to, const EnterFacts& value) {
  to.setPod(raw(value.pod));
  to.setApp(text(value.app));
  to.setArguments(raw(value.arguments));
  to.setCallerUid(value.callerUid);
  to.setAudit(text(value.audit));
}
Result<AbortFacts> readAbort(wire::AbortFacts::Reader from) {
  return AbortFacts{.pod = TRY(readPodId(from.getPod(), "pod id")),
                    .reason = TRY(readText(from.getReason(), "reason"))};
}
void writeAbort(wire::AbortFacts::Builder to, const AbortFacts& value) {
  to.setPod(raw(value.pod));
  to.setReason(text(shown(value.reason)));
}

Result<Event> readEvent(wire::MeasureJob::Event::Reader from) {
  switch (from.which()) {
    case wire::MeasureJob::Event::NONE:
      return Event();
    case wire::MeasureJob::Event::POD:
      return Event(TRY(readPod(from.getPod())));
    case wire::MeasureJob::Event::ENTER:
      return Event(TRY(readEnter(from.getEnter())));
    case wire::MeasureJob::Event::ABORT:
      return Event(TRY(readAbort(from.getAbort())));
  }
  return badValue("measured event", "is of an unknown kind");
}
void writeEvent(wire::MeasureJob::Event::Builder to, const Event& event) {
  if (!event) {
    to.setNone();
    return;
  }
  std::visit(Overloaded{[&](const PodFacts& value) { writePod(to.initPod(), value); },
                        [&](const EnterFacts& value) { writeEnter(to.initEnter(), value); },
                        [&](const AbortFacts& value) { writeAbort(to.initAbort(), value); }},
             *event);
}

Result<MeasureMode> fromWire(wire::MeasureJob::Mode mode) {
  switch (mode) {
    case wire::MeasureJob::Mode::REQUIRE:
      return MeasureMode::Require;
    case wire::MeasureJob::Mode::LOG:
      return MeasureMode::Log;
    case wire::MeasureJob::Mode::OFF:
      return MeasureMode::Off;
  }
  return badValue("measure mode", "is unknown");
}
// A value that is none of them must not turn into a weaker mode.
wire::MeasureJob::Mode toWire(MeasureMode mode) {
  switch (mode) {
    case MeasureMode::Require:
      break;
    case MeasureMode::Log:
      return wire::MeasureJob::Mode::LOG;
    case MeasureMode::Off:
      return wire::MeasureJob::Mode::OFF;
  }
  return wire::MeasureJob::Mode::REQUIRE;
}

Result<std::optional<AttestJob>> readAttestJob(wire::MeasureJob::Reader from) {
  if (!from.hasAttest()) return std::optional<AttestJob>();
  const auto attest = from.getAttest();
  AttestJob job{.request = TRY(readAttest(attest.getRequest())),
                .keyHandle = attest.getKeyHandle(),
                .callerUid = attest.getCallerUid()};
  if (job.keyHandle < kFirstKeyHandle || job.keyHandle > kLastKeyHandle) {
    return badValue("key handle", "is not one of the owner's persistent ones");
  }
  return std::optional(std::move(job));
}
void writeAttestJob(wire::AttestJob::Builder to, const AttestJob& job) {
  writeAttest(to.initRequest(), job.request);
  to.setKeyHandle(job.keyHandle);
  to.setCallerUid(job.callerUid);
}

Result<MeasureJob> readJob(wire::MeasureJob::Reader from) {
  MeasureJob job{.mode = TRY(fromWire(from.getMode())),
                 .pcr = from.getPcr(),
                 .hasTpm = from.getHasTpm(),
                 .softwareTpm = from.getSoftwareTpm(),
                 .engine = TRY(readEngine(from.getEngine())),
                 .images = TRY(readList(from.getImages(), limits::kApps, "images", readImage)),
                 .event = TRY(readEvent(from.getEvent())),
                 .readOnly = from.getReadOnly(),
                 .attest = TRY(readAttestJob(from))};
  if (job.pcr > limits::kPcrMax) return badValue("register", "is not between 0 and 23");
  if (job.attest && (job.event || !job.images.empty() || job.readOnly)) {
    return badValue("attestation request", "stands beside something to measure");
  }
  return job;
}
void writeJob(wire::MeasureJob::Builder to, const MeasureJob& job) {
  to.setMode(toWire(job.mode));
  to.setPcr(job.pcr);
  to.setHasTpm(job.hasTpm);
  to.setSoftwareTpm(job.softwareTpm);
  writeEngine(to.initEngine(), job.engine);
  writeList(to.initImages(count(job.images)), job.images, writeImage);
  writeEvent(to.initEvent(), job.event);
  to.setReadOnly(job.readOnly);
  if (job.attest) writeAttestJob(to.initAttest(), *job.attest);
}

Result<Measured> readMeasured(wire::Measured::Reader from) {
  return Measured{.records = from.getRecords(),
                  .banks = TRY(readBanks(from.getBanks())),
                  .anchor = TRY(readText(from.getAnchor(), "anchor"))};
}
Result<MeasureReply> readReply(wire::MeasureReply::Reader from) {
  switch (from.which()) {
    case wire::MeasureReply::UNSET:
      break;
    case wire::MeasureReply::FAILURE:
      return TRY(readFailure(from.getFailure()));
    case wire::MeasureReply::MEASURED:
      return TRY(readMeasured(from.getMeasured()));
    case wire::MeasureReply::ATTESTED:
      return TRY(readAttested(from.getAttested()));
  }
  return badValue("measure reply", "is of an unknown kind");
}
void writeReply(wire::MeasureReply::Builder to, const MeasureReply& reply) {
  std::visit(Overloaded{[&](const Failure& value) { writeFailure(to.initFailure(), value); },
                        [&](const Measured& value) {
                          auto measured = to.initMeasured();
                          measured.setRecords(value.records);
                          writeBanks(measured.initBanks(count(value.banks)), value.banks);
                          measured.setAnchor(text(value.anchor));
                        },
                        [&](const Attested& value) { writeAttested(to.initAttested(), value); }},
             reply);
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

Result<std::string> encode(const MeasureJob& job) {
  return codec::encode<wire::MeasureJob>(
      limits::kMessageBytes, [&](auto to) { codec::writeJob(to, job); }, decodeMeasureJob);
}
Result<MeasureJob> decodeMeasureJob(std::string_view bytes) {
  return codec::decode<wire::MeasureJob>(bytes, limits::kMessageBytes, codec::readJob);
}

Result<std::string> encode(const MeasureReply& reply) {
  return codec::encode<wire::MeasureReply>(
      limits::kMessageBytes, [&](auto to) { codec::writeReply(to, reply); }, decodeMeasureReply);
}
Result<MeasureReply> decodeMeasureReply(std::string_view bytes) {
  return codec::decode<wire::MeasureReply>(bytes, limits::kMessageBytes, codec::readReply);
}

}  // namespace airlock::ipc
