// SPDX-License-Identifier: Apache-2.0
#include "ipc/records.h"

#include "ipc/capnp.h"
#include "ipc/schema/records.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
// Empty: none, as in every record from before there was the field.
Result<std::optional<VerityDigest>> readVerity(capnp::Data::Reader bytes) {
  if (bytes.size() == 0) return std::optional<VerityDigest>();
  return std::optional(TRY(readDigest<VerityDigest>(bytes, "verity digest")));
}

Result<Dependency> readDependency(wire::Dependency::Reader from) {
  if (from.getDepth() == 0 || from.getDepth() > limits::kDependencies)
    return badValue("depth", "is that of no dependency");
  return Dependency{.image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
                    .name = TRY(readName<ImageName>(from.getName(), "image name")),
                    .labels = TRY(readLabels(from.getLabels())),
                    .signers = TRY(readSigners(from.getSigners())),
                    .rule = TRY(readText(from.getRule(), "rule")),
                    .depth = from.getDepth()};
}
void writeDependency(wire::Dependency::Builder to, const Dependency& value) {
  to.setImage(raw(value.image));
  to.setName(text(value.name.text()));
  writeLabels(to.initLabels(count(value.labels)), value.labels);
  writeSigners(to.initSigners(count(value.signers)), value.signers);
  to.setRule(text(value.rule));
  to.setDepth(value.depth);
}

Result<StoredLayer> readStoredLayer(wire::StoredLayer::Reader from) {
  return StoredLayer{.blob = TRY(readDigest<OciDigest>(from.getBlob(), "layer digest")),
                     .blobBytes = from.getBlobBytes(),
                     .tree = TRY(readDigest<TreeDigest>(from.getTree(), "tree digest")),
                     .treeBytes = from.getTreeBytes(),
                     .verity = TRY(readVerity(from.getVerityDigest())),
                     .hangsOnPlace = from.getHangsOnPlace()};
}
void writeStoredLayer(wire::StoredLayer::Builder to, const StoredLayer& layer) {
  to.setBlob(raw(layer.blob));
  to.setBlobBytes(layer.blobBytes);
  to.setTree(raw(layer.tree));
  to.setTreeBytes(layer.treeBytes);
  if (layer.verity) to.setVerityDigest(raw(*layer.verity));
  to.setHangsOnPlace(layer.hangsOnPlace);
}
Result<TakenLayer> readTakenLayer(wire::TakenLayer::Reader from) {
  return TakenLayer{.place = from.getPlace(), .layer = TRY(readStoredLayer(from.getLayer()))};
}
Result<LayersTaken> readLayersTaken(wire::LayersTaken::Reader from) {
  switch (from.which()) {
    case wire::LayersTaken::FAILURE:
      return TRY(readFailure(from.getFailure()));
    case wire::LayersTaken::TAKEN:
      return TRY(readList(from.getTaken(), limits::kOciLayers, "layers", readTakenLayer));
    case wire::LayersTaken::UNSET:
      break;
  }
  return badValue("answer", "is none");
}
void writeLayersTaken(wire::LayersTaken::Builder to, const LayersTaken& taken) {
  if (const auto* failure = std::get_if<Failure>(&taken))
    return writeFailure(to.initFailure(), *failure);
  const auto& layers = std::get<std::vector<TakenLayer>>(taken);
  writeList(to.initTaken(count(layers)), layers,
            [](wire::TakenLayer::Builder builder, const TakenLayer& one) {
              builder.setPlace(one.place);
              writeStoredLayer(builder.initLayer(), one.layer);
            });
}
// Empty: none.
Result<std::optional<OciDigest>> readOptionalDigest(capnp::Data::Reader bytes,
                                                    std::string_view field) {
  if (bytes.size() == 0) return std::optional<OciDigest>();
  return std::optional(TRY(readDigest<OciDigest>(bytes, field)));
}

// An OCI image has layers and a config, and nothing else has.
Result<CatalogRecord> checkedKind(CatalogRecord record) {
  const bool oci = record.image.oci() != nullptr;
  if (oci == record.layers.empty() || oci != record.config.has_value())
    return badValue("catalog record", "is of no kind of image");
  if (oci && stackDigest(record.layers) != record.tree)
    return badValue("tree digest", "is not that of the layers");
  return record;
}

Result<CatalogRecord> readCatalog(wire::CatalogRecord::Reader from) {
  return checkedKind(
      {.image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
       .name = TRY(readName<ImageName>(from.getName(), "image name")),
       .labels = TRY(readLabels(from.getLabels())),
       .tree = TRY(readDigest<TreeDigest>(from.getTree(), "tree digest")),
       .treeBytes = from.getTreeBytes(),
       .blob = TRY(readDigest<BlobDigest>(from.getBlob(), "blob digest")),
       .blobBytes = from.getBlobBytes(),
       .manifest = TRY(readDigest<ContentDigest>(from.getManifest(), "manifest digest")),
       .manifestBytes = from.getManifestBytes(),
       .hasSignature = from.getHasSignature(),
       .signers = TRY(readSigners(from.getSigners())),
       .rule = TRY(readText(from.getRule(), "rule")),
       .origin = TRY(readText(from.getOrigin(), "origin")),
       .importerUid = from.getImporterUid(),
       .importedAt = from.getImportedAt(),
       .latest = from.getLatest(),
       .verity = TRY(readVerity(from.getVerityDigest())),
       .dependencies = TRY(
           readList(from.getDependencies(), limits::kDependencies, "dependencies", readDependency)),
       .layers = TRY(readList(from.getLayers(), limits::kOciLayers, "layers", readStoredLayer)),
       .config = TRY(readOptionalDigest(from.getConfig(), "config digest")),
       .index = TRY(readOptionalDigest(from.getIndex(), "index digest"))});
}
void writeCatalog(wire::CatalogRecord::Builder to, const CatalogRecord& record) {
  to.setImage(raw(record.image));
  to.setName(text(record.name.text()));
  writeLabels(to.initLabels(count(record.labels)), record.labels);
  to.setTree(raw(record.tree));
  to.setTreeBytes(record.treeBytes);
  to.setBlob(raw(record.blob));
  to.setBlobBytes(record.blobBytes);
  to.setManifest(raw(record.manifest));
  to.setManifestBytes(record.manifestBytes);
  to.setHasSignature(record.hasSignature);
  writeSigners(to.initSigners(count(record.signers)), record.signers);
  to.setRule(text(record.rule));
  to.setOrigin(text(record.origin));
  to.setImporterUid(record.importerUid);
  to.setImportedAt(record.importedAt);
  to.setVerity(record.verity.has_value());
  to.setLatest(record.latest);
  if (record.verity) to.setVerityDigest(raw(*record.verity));
  writeList(to.initDependencies(count(record.dependencies)), record.dependencies, writeDependency);
  writeList(to.initLayers(count(record.layers)), record.layers, writeStoredLayer);
  if (record.config) to.setConfig(raw(*record.config));
  if (record.index) to.setIndex(raw(*record.index));
}

Result<PodApp> readPodApp(wire::PodApp::Reader from) {
  return PodApp{.name = TRY(readName<AppName>(from.getName(), "app name")),
                .image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
                .imageName = TRY(readText(from.getImageName(), "image name"))};
}
Result<PodRecord> readPod(wire::PodRecord::Reader from) {
  return PodRecord{.pod = TRY(readPodId(from.getPod(), "pod id")),
                   .ownerUid = from.getOwnerUid(),
                   .firstUid = from.getFirstUid(),
                   .createdAt = from.getCreatedAt(),
                   .network = TRY(readText(from.getNetwork(), "network")),
                   .apps = TRY(readList(from.getApps(), limits::kApps, "apps", readPodApp)),
                   .layers = TRY(readLayers(from.getLayers())),
                   .measured = TRY(readText(from.getMeasured(), "measured")),
                   .rule = TRY(readText(from.getRule(), "rule")),
                   .cgroup = TRY(readBytes(from.getCgroup(), "cgroup")),
                   .selinux = TRY(readText(from.getSelinux(), "label")),
                   .machine = TRY(readText(from.getMachine(), "machine")),
                   .unit = TRY(readText(from.getUnit(), "unit")),
                   .name = TRY(readText(from.getName(), "pod name"))};
}
void writePod(wire::PodRecord::Builder to, const PodRecord& record) {
  to.setPod(raw(record.pod));
  to.setOwnerUid(record.ownerUid);
  to.setFirstUid(record.firstUid);
  to.setCreatedAt(record.createdAt);
  to.setNetwork(text(record.network));
  writeList(to.initApps(count(record.apps)), record.apps,
            [](wire::PodApp::Builder builder, const PodApp& app) {
              builder.setName(text(app.name.text()));
              builder.setImage(raw(app.image));
              builder.setImageName(text(app.imageName));
            });
  writeLayers(to.initLayers(count(record.layers)), record.layers);
  to.setMeasured(text(shown(record.measured)));
  to.setRule(text(record.rule));
  to.setCgroup(raw(record.cgroup));
  to.setSelinux(text(record.selinux));
  to.setMachine(text(shown(record.machine)));
  to.setUnit(text(record.unit));
  to.setName(text(record.name));
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

TreeDigest stackDigest(const std::vector<StoredLayer>& layers) {
  Blake2b hash;
  for (const StoredLayer& layer : layers) hash.update(layer.tree.bytes());
  return TreeDigest(hash.finish());
}

std::vector<StoredTree> treesOf(const CatalogRecord& record) {
  if (record.layers.empty()) return {{record.tree, record.verity}};
  std::vector<StoredTree> trees;
  for (auto layer = record.layers.rbegin(); layer != record.layers.rend(); ++layer)
    trees.push_back({layer->tree, layer->verity});
  return trees;
}

Result<std::string> encode(const CatalogRecord& record) {
  return codec::encode<wire::CatalogRecord>(
      limits::kMessageBytes, [&](auto to) { codec::writeCatalog(to, record); },
      decodeCatalogRecord);
}
Result<CatalogRecord> decodeCatalogRecord(std::string_view bytes) {
  return codec::decode<wire::CatalogRecord>(bytes, limits::kMessageBytes, codec::readCatalog);
}

Result<std::string> encode(const LayersTaken& taken) {
  return codec::encode<wire::LayersTaken>(
      limits::kMessageBytes, [&](auto to) { codec::writeLayersTaken(to, taken); },
      decodeLayersTaken);
}
Result<LayersTaken> decodeLayersTaken(std::string_view bytes) {
  return codec::decode<wire::LayersTaken>(bytes, limits::kMessageBytes, codec::readLayersTaken);
}

Result<std::string> encode(const PodRecord& record) {
  return codec::encode<wire::PodRecord>(
      limits::kMessageBytes, [&](auto to) { codec::writePod(to, record); }, decodePodRecord);
}
Result<PodRecord> decodePodRecord(std::string_view bytes) {
  return codec::decode<wire::PodRecord>(bytes, limits::kMessageBytes, codec::readPod);
}

}  // namespace airlock::ipc
