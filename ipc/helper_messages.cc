// SPDX-License-Identifier: Apache-2.0
#include "ipc/helper_messages.h"

#include <algorithm>
#include <functional>

#include "ipc/attest_fields.h"
#include "ipc/capnp.h"
#include "ipc/schema/helper.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
// --- requests
// ----------------------------------------------------------------------------------------------------
Result<ImportRequest> readImport(wire::ImportRequest::Reader from) {
  std::optional<ImageName> name;
  if (from.getName().size() != 0) name = TRY(readName<ImageName>(from.getName(), "image name"));
  return ImportRequest{.name = std::move(name),
                       .labels = TRY(readLabels(from.getLabels())),
                       .origin = TRY(readText(from.getOrigin(), "origin")),
                       .hasSignature = from.getHasSignature(),
                       .skipSignature = from.getSkipSignature()};
}
void writeImport(wire::ImportRequest::Builder to, const ImportRequest& value) {
  if (value.name) to.setName(text(value.name->text()));
  writeLabels(to.initLabels(count(value.labels)), value.labels);
  to.setOrigin(text(value.origin));
  to.setHasSignature(value.hasSignature);
  to.setSkipSignature(value.skipSignature);
}

Result<RunRequest> readRun(wire::RunRequest::Reader from) {
  RunRequest request{.pod = TRY(readPodSpec(from.getPod())),
                     .podManifest = TRY(readText(from.getPodManifest(), "pod manifest",
                                                 limits::kPodManifestBytes)),
                     .name = {},
                     .prepare = from.getPrepare(),
                     .prepared = {},
                     .sandbox = {}};
  if (from.getName().size() != 0) request.name = TRY(readName<AppName>(from.getName(), "pod name"));
  if (from.getPrepared().size() != 0)
    request.prepared = TRY(readPodId(from.getPrepared(), "prepared pod"));
  if (request.prepare && request.prepared) return badValue("pod", "is prepared already");
  if (from.getSandbox().size() == 0) return request;
  request.sandbox = TRY(readPodId(from.getSandbox(), "sandbox"));
  if (request.prepared) return badValue("pod", "is prepared, and goes into no other");
  if (request.pod.apps.size() != 1) return badValue("sandbox", "takes one app at a time");
  return request;
}
void writeRun(wire::RunRequest::Builder to, const RunRequest& value) {
  writePodSpec(to.initPod(), value.pod);
  to.setPodManifest(text(value.podManifest));
  if (value.name) to.setName(text(value.name->text()));
  to.setPrepare(value.prepare);
  if (value.prepared) to.setPrepared(raw(*value.prepared));
  if (value.sandbox) to.setSandbox(raw(*value.sandbox));
}

Result<EnterRequest> readEnter(wire::EnterRequest::Reader from) {
  return EnterRequest{.pod = TRY(readPodId(from.getPod(), "pod id")),
                      .enter = TRY(readEnterSpec(from.getEnter()))};
}
void writeEnter(wire::EnterRequest::Builder to, const EnterRequest& value) {
  to.setPod(raw(value.pod));
  writeEnterSpec(to.initEnter(), value.enter);
}

Result<AttachRequest> readAttach(wire::AttachRequest::Reader from) {
  return AttachRequest{.pod = TRY(readPodId(from.getPod(), "pod id")),
                       .attach = TRY(readAttachSpec(from.getAttach()))};
}
void writeAttach(wire::AttachRequest::Builder to, const AttachRequest& value) {
  to.setPod(raw(value.pod));
  writeAttachSpec(to.initAttach(), value.attach);
}
Result<ExportRequest> readExport(wire::ExportRequest::Reader from) {
  return ExportRequest{.pod = TRY(readPodId(from.getPod(), "pod id")),
                       .app = TRY(readName<AppName>(from.getApp(), "app name"))};
}

Result<std::optional<AppName>> readOneApp(capnp::Text::Reader from) {
  if (from.size() == 0) return std::optional<AppName>();
  return std::optional(TRY(readName<AppName>(from, "app name")));
}
Result<StopRequest> readStop(wire::StopRequest::Reader from) {
  return StopRequest{.pod = TRY(readPodId(from.getPod(), "pod id")),
                     .force = from.getForce(),
                     .app = TRY(readOneApp(from.getApp()))};
}
Result<RemovePodRequest> readRemovePod(wire::RemovePodRequest::Reader from) {
  return RemovePodRequest{.pod = TRY(readPodId(from.getPod(), "pod id")),
                          .app = TRY(readOneApp(from.getApp()))};
}
CollectGarbageRequest readCollect(wire::CollectGarbageRequest::Reader from) {
  return {.graceSeconds = from.getGraceSeconds(),
          .expirePreparedSeconds = from.getExpirePreparedSeconds(),
          .markOnly = from.getMarkOnly()};
}
Result<RemoveImageRequest> readRemoveImage(wire::RemoveImageRequest::Reader from) {
  return RemoveImageRequest{.image = TRY(readDigest<ImageId>(from.getImage(), "image id"))};
}
Result<VerifyImageRequest> readVerifyImage(wire::VerifyImageRequest::Reader from) {
  return VerifyImageRequest{.image = TRY(readDigest<ImageId>(from.getImage(), "image id"))};
}

CollectImagesRequest readCollectImages(wire::CollectImagesRequest::Reader from) {
  return {.graceSeconds = from.getGraceSeconds()};
}
Result<OpenImageRequest> readOpenImage(wire::OpenImageRequest::Reader from) {
  return OpenImageRequest{.image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
                          .tree = from.getTree()};
}

Result<ImportOciRequest> readImportOci(wire::ImportOciRequest::Reader from) {
  return ImportOciRequest{.name = TRY(readName<ImageName>(from.getName(), "image name")),
                          .labels = TRY(readLabels(from.getLabels())),
                          .origin = TRY(readText(from.getOrigin(), "origin")),
                          .hasIndex = from.getHasIndex(),
                          .skipSignature = from.getSkipSignature()};
}
void writeImportOci(wire::ImportOciRequest::Builder to, const ImportOciRequest& value) {
  to.setName(text(value.name.text()));
  writeLabels(to.initLabels(count(value.labels)), value.labels);
  to.setOrigin(text(value.origin));
  to.setHasIndex(value.hasIndex);
  to.setSkipSignature(value.skipSignature);
}
Result<OciLayerFile> readLayerFile(wire::OciLayerFile::Reader from) {
  if (from.getIndex() >= limits::kOciLayers) return badValue("layer", "is of no image");
  return OciLayerFile{.index = from.getIndex()};
}

using Question = std::variant<ImportRequest, RunRequest>;
Result<Question> readQuestion(wire::ExplainRequest::Reader from) {
  switch (from.which()) {
    case wire::ExplainRequest::UNSET:
      break;
    case wire::ExplainRequest::IMPORT:
      return TRY(readImport(from.getImport()));
    case wire::ExplainRequest::RUN:
      return TRY(readRun(from.getRun()));
  }
  return badValue("question", "is of an unknown kind");
}
Result<ExplainRequest> readExplain(wire::ExplainRequest::Reader from) {
  std::optional<std::uint32_t> asUser;
  if (from.getHasAsUser()) {
    asUser = from.getAsUser();
  } else if (from.getAsUser() != 0) {
    return badValue("user", "is given and said to be absent");
  }
  return ExplainRequest{.what = TRY(readQuestion(from)), .asUser = asUser};
}
void writeExplain(wire::ExplainRequest::Builder to, const ExplainRequest& value) {
  std::visit(Overloaded{[&](const ImportRequest& what) { writeImport(to.initImport(), what); },
                        [&](const RunRequest& what) { writeRun(to.initRun(), what); }},
             value.what);
  to.setHasAsUser(value.asUser.has_value());
  to.setAsUser(value.asUser.value_or(0));
}

Result<HelperRequest> readRequest(wire::HelperRequest::Reader from) {
  switch (from.which()) {
    case wire::HelperRequest::UNSET:
      break;
    case wire::HelperRequest::IMPORT:
      return TRY(readImport(from.getImport()));
    case wire::HelperRequest::RUN:
      return TRY(readRun(from.getRun()));
    case wire::HelperRequest::ENTER:
      return TRY(readEnter(from.getEnter()));
    case wire::HelperRequest::STOP:
      return TRY(readStop(from.getStop()));
    case wire::HelperRequest::REMOVE_POD:
      return TRY(readRemovePod(from.getRemovePod()));
    case wire::HelperRequest::COLLECT_GARBAGE:
      return readCollect(from.getCollectGarbage());
    case wire::HelperRequest::REMOVE_IMAGE:
      return TRY(readRemoveImage(from.getRemoveImage()));
    case wire::HelperRequest::VERIFY_IMAGE:
      return TRY(readVerifyImage(from.getVerifyImage()));
    case wire::HelperRequest::EXPLAIN:
      return TRY(readExplain(from.getExplain()));
    case wire::HelperRequest::REPORT:
      return ReportRequest{};
    case wire::HelperRequest::ATTACH:
      return TRY(readAttach(from.getAttach()));
    case wire::HelperRequest::EXPORT:
      return TRY(readExport(from.getExport()));
    case wire::HelperRequest::COLLECT_IMAGES:
      return readCollectImages(from.getCollectImages());
    case wire::HelperRequest::OPEN_IMAGE:
      return TRY(readOpenImage(from.getOpenImage()));
    case wire::HelperRequest::IMPORT_OCI:
      return TRY(readImportOci(from.getImportOci()));
    case wire::HelperRequest::ATTEST:
      return TRY(readAttest(from.getAttest()));
  }
  return badValue("request", "is of an unknown kind");
}

void writeRequest(wire::HelperRequest::Builder to, const HelperRequest& request) {
  std::visit(
      Overloaded{
          [&](const ImportRequest& value) { writeImport(to.initImport(), value); },
          [&](const RunRequest& value) { writeRun(to.initRun(), value); },
          [&](const EnterRequest& value) { writeEnter(to.initEnter(), value); },
          [&](const StopRequest& value) {
            auto stop = to.initStop();
            stop.setPod(raw(value.pod));
            stop.setForce(value.force);
            if (value.app) stop.setApp(text(value.app->text()));
          },
          [&](const RemovePodRequest& value) {
            auto remove = to.initRemovePod();
            remove.setPod(raw(value.pod));
            if (value.app) remove.setApp(text(value.app->text()));
          },
          [&](const CollectGarbageRequest& value) {
            auto collect = to.initCollectGarbage();
            collect.setGraceSeconds(value.graceSeconds);
            collect.setExpirePreparedSeconds(value.expirePreparedSeconds);
            collect.setMarkOnly(value.markOnly);
          },
          [&](const RemoveImageRequest& value) { to.initRemoveImage().setImage(raw(value.image)); },
          [&](const VerifyImageRequest& value) { to.initVerifyImage().setImage(raw(value.image)); },
          [&](const ExplainRequest& value) { writeExplain(to.initExplain(), value); },
          [&](const ReportRequest&) { to.initReport(); },
          [&](const AttachRequest& value) { writeAttach(to.initAttach(), value); },
          [&](const ExportRequest& value) {
            auto exported = to.initExport();
            exported.setPod(raw(value.pod));
            exported.setApp(text(value.app.text()));
          },
          [&](const CollectImagesRequest& value) {
            to.initCollectImages().setGraceSeconds(value.graceSeconds);
          },
          [&](const OpenImageRequest& value) {
            auto open = to.initOpenImage();
            open.setImage(raw(value.image));
            open.setTree(value.tree);
          },
          [&](const ImportOciRequest& value) { writeImportOci(to.initImportOci(), value); },
          [&](const AttestRequest& value) { writeAttest(to.initAttest(), value); }},
      request);
}

// --- replies
// -----------------------------------------------------------------------------------------------------
Result<Progress> readProgress(wire::Progress::Reader from) {
  return Progress{.step = TRY(readText(from.getStep(), "step")),
                  .done = from.getDone(),
                  .total = from.getTotal()};
}
Result<Imported> readImported(wire::Imported::Reader from) {
  return Imported{.image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
                  .name = TRY(readName<ImageName>(from.getName(), "image name")),
                  .labels = TRY(readLabels(from.getLabels())),
                  .signers = TRY(readSigners(from.getSigners())),
                  .alreadyThere = from.getAlreadyThere()};
}
Result<Started> readStarted(wire::Started::Reader from) {
  return Started{.pod = TRY(readPodId(from.getPod(), "pod id")),
                 .layers = TRY(readLayers(from.getLayers()))};
}
Result<Collected> readCollected(wire::Collected::Reader from) {
  return Collected{.marked = TRY(readPodIds(from.getMarked(), "marked pods")),
                   .waiting = TRY(readPodIds(from.getWaiting(), "waiting pods")),
                   .removed = TRY(readPodIds(from.getRemoved(), "removed pods")),
                   .problems = TRY(readTexts(from.getProblems(), limits::kReasons, "problems")),
                   .expired = TRY(readPodIds(from.getExpired(), "expired pods")),
                   .aborted = TRY(readPodIds(from.getAborted(), "aborted pods"))};
}
Result<ImageVerified> readImageVerified(wire::ImageVerified::Reader from) {
  return ImageVerified{.treeIntact = from.getTreeIntact(),
                       .signatureHolds = from.getSignatureHolds(),
                       .detail = TRY(readText(from.getDetail(), "detail"))};
}
Result<Explained> readExplained(wire::Explained::Reader from) {
  return Explained{.allowed = from.getAllowed(),
                   .rule = TRY(readText(from.getRule(), "rule")),
                   .reasons = TRY(readTexts(from.getReasons(), limits::kReasons, "reasons"))};
}
Result<Reported> readReported(wire::Reported::Reader from) {
  return Reported{.layers = TRY(readLayers(from.getLayers())),
                  .tpm = TRY(readText(from.getTpm(), "tpm")),
                  .pcr = from.getPcr(),
                  .banks = TRY(readBanks(from.getBanks())),
                  .measureMode = TRY(readText(from.getMeasureMode(), "measure mode")),
                  .hasLog = from.getHasLog()};
}

Result<RemovedImage> readRemoved(wire::RemovedImage::Reader from) {
  return RemovedImage{.image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
                      .name = TRY(readText(from.getName(), "image name"))};
}
Result<ImagesCollected> readImagesCollected(wire::ImagesCollected::Reader from) {
  return ImagesCollected{.removed = TRY(readList(from.getRemoved(), limits::kCollectedImages,
                                                 "removed images", readRemoved)),
                         .more = from.getMore()};
}

Result<LayersWanted> readLayersWanted(wire::LayersWanted::Reader from) {
  const auto numbers = from.getLayers();
  LayersWanted wanted;
  for (const std::uint32_t number : numbers) wanted.layers.push_back(number);
  const auto& layers = wanted.layers;
  if (layers.size() > limits::kOciLayers ||
      std::ranges::adjacent_find(layers, std::greater_equal{}) != layers.end() ||
      (!layers.empty() && layers.back() >= limits::kOciLayers)) {
    return badValue("layers", "are of no image");
  }
  return wanted;
}

Result<HelperReply> readReply(wire::HelperReply::Reader from) {
  switch (from.which()) {
    case wire::HelperReply::UNSET:
      break;
    case wire::HelperReply::FAILURE:
      return TRY(readFailure(from.getFailure()));
    case wire::HelperReply::PROGRESS:
      return TRY(readProgress(from.getProgress()));
    case wire::HelperReply::IMPORTED:
      return TRY(readImported(from.getImported()));
    case wire::HelperReply::STARTED:
      return TRY(readStarted(from.getStarted()));
    case wire::HelperReply::ENTERED:
      return Entered{};
    case wire::HelperReply::DONE:
      return Done{};
    case wire::HelperReply::COLLECTED:
      return TRY(readCollected(from.getCollected()));
    case wire::HelperReply::IMAGE_VERIFIED:
      return TRY(readImageVerified(from.getImageVerified()));
    case wire::HelperReply::EXPLAINED:
      return TRY(readExplained(from.getExplained()));
    case wire::HelperReply::REPORTED:
      return TRY(readReported(from.getReported()));
    case wire::HelperReply::ATTACHED:
      return Attached{};
    case wire::HelperReply::DEPENDENCIES_MISSING:
      return DependenciesMissing{TRY(readWanted(from.getDependenciesMissing().getImages()))};
    case wire::HelperReply::IMAGES_COLLECTED:
      return TRY(readImagesCollected(from.getImagesCollected()));
    case wire::HelperReply::IMAGE_OPENED:
      return ImageOpened{};
    case wire::HelperReply::PREPARED:
      return Prepared{.pod = TRY(readPodId(from.getPrepared().getPod(), "pod id"))};
    case wire::HelperReply::LAYERS_WANTED:
      return TRY(readLayersWanted(from.getLayersWanted()));
    case wire::HelperReply::ATTESTED:
      return TRY(readAttested(from.getAttested()));
  }
  return badValue("reply", "is of an unknown kind");
}

void writeProgress(wire::Progress::Builder to, const Progress& value) {
  to.setStep(text(shown(value.step)));
  to.setDone(value.done);
  to.setTotal(value.total);
}
void writeImported(wire::Imported::Builder to, const Imported& value) {
  to.setImage(raw(value.image));
  to.setName(text(value.name.text()));
  writeLabels(to.initLabels(count(value.labels)), value.labels);
  writeSigners(to.initSigners(count(value.signers)), value.signers);
  to.setAlreadyThere(value.alreadyThere);
}
void writeStarted(wire::Started::Builder to, const Started& value) {
  to.setPod(raw(value.pod));
  writeLayers(to.initLayers(count(value.layers)), value.layers);
}
void writeCollected(wire::Collected::Builder to, const Collected& value) {
  to.setMarked(raw(joined(value.marked)));
  to.setWaiting(raw(joined(value.waiting)));
  to.setRemoved(raw(joined(value.removed)));
  writeShown(to.initProblems(count(value.problems)), value.problems);
  to.setExpired(raw(joined(value.expired)));
  to.setAborted(raw(joined(value.aborted)));
}
void writeImageVerified(wire::ImageVerified::Builder to, const ImageVerified& value) {
  to.setTreeIntact(value.treeIntact);
  to.setSignatureHolds(value.signatureHolds);
  to.setDetail(text(shown(value.detail)));
}
void writeExplained(wire::Explained::Builder to, const Explained& value) {
  to.setAllowed(value.allowed);
  to.setRule(text(shown(value.rule)));
  writeShown(to.initReasons(count(value.reasons)), value.reasons);
}
void writeReported(wire::Reported::Builder to, const Reported& value) {
  writeLayers(to.initLayers(count(value.layers)), value.layers);
  to.setTpm(text(value.tpm));
  to.setPcr(value.pcr);
  writeBanks(to.initBanks(count(value.banks)), value.banks);
  to.setMeasureMode(text(value.measureMode));
  to.setHasLog(value.hasLog);
}

void writeImagesCollected(wire::ImagesCollected::Builder to, const ImagesCollected& value) {
  writeList(to.initRemoved(count(value.removed)), value.removed,
            [](wire::RemovedImage::Builder builder, const RemovedImage& image) {
              builder.setImage(raw(image.image));
              builder.setName(text(shown(image.name)));
            });
  to.setMore(value.more);
}

void writeReply(wire::HelperReply::Builder to, const HelperReply& reply) {
  std::visit(
      Overloaded{
          [&](const Failure& value) { writeFailure(to.initFailure(), value); },
          [&](const Progress& value) { writeProgress(to.initProgress(), value); },
          [&](const Imported& value) { writeImported(to.initImported(), value); },
          [&](const Started& value) { writeStarted(to.initStarted(), value); },
          [&](const Entered&) { to.initEntered(); }, [&](const Done&) { to.initDone(); },
          [&](const Collected& value) { writeCollected(to.initCollected(), value); },
          [&](const ImageVerified& value) { writeImageVerified(to.initImageVerified(), value); },
          [&](const Explained& value) { writeExplained(to.initExplained(), value); },
          [&](const Reported& value) { writeReported(to.initReported(), value); },
          [&](const Attached&) { to.initAttached(); },
          [&](const DependenciesMissing& value) {
            writeWanted(to.initDependenciesMissing().initImages(count(value.images)), value.images);
          },
          [&](const ImagesCollected& value) {
            writeImagesCollected(to.initImagesCollected(), value);
          },
          [&](const ImageOpened&) { to.initImageOpened(); },
          [&](const Prepared& value) { to.initPrepared().setPod(raw(value.pod)); },
          [&](const LayersWanted& value) {
            auto layers = to.initLayersWanted().initLayers(count(value.layers));
            for (unsigned i = 0; i < layers.size(); ++i) layers.set(i, value.layers[i]);
          },
          [&](const Attested& value) { writeAttested(to.initAttested(), value); }},
      reply);
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

Result<std::string> encode(const HelperRequest& request) {
  return codec::encode<wire::HelperRequest>(
      limits::kMessageBytes, [&](auto to) { codec::writeRequest(to, request); },
      decodeHelperRequest);
}
Result<HelperRequest> decodeHelperRequest(std::string_view bytes) {
  return codec::decode<wire::HelperRequest>(bytes, limits::kMessageBytes, codec::readRequest);
}

Result<std::string> encode(const OciLayerFile& layer) {
  return codec::encode<wire::OciLayerFile>(
      limits::kMessageBytes, [&](auto to) { to.setIndex(layer.index); }, decodeOciLayerFile);
}
Result<OciLayerFile> decodeOciLayerFile(std::string_view bytes) {
  return codec::decode<wire::OciLayerFile>(bytes, limits::kMessageBytes, codec::readLayerFile);
}

Result<std::string> encode(const HelperReply& reply) {
  return codec::encode<wire::HelperReply>(
      limits::kMessageBytes, [&](auto to) { codec::writeReply(to, reply); }, decodeHelperReply);
}
Result<HelperReply> decodeHelperReply(std::string_view bytes) {
  return codec::decode<wire::HelperReply>(bytes, limits::kMessageBytes, codec::readReply);
}

}  // namespace airlock::ipc
