// SPDX-License-Identifier: Apache-2.0
#include "store/oci_import.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "store/byte_stream.h"
#include "store/signers.h"
#include "store/staging.h"
#include "store/unpacking.h"

namespace airlock::store {

namespace {

constexpr int kLayerMilliseconds = 3600 * 1000;  // for the next layer to come

// A document into a file of the store.
Result<Fd> keepDocument(const Store& store, std::string_view bytes, std::size_t most,
                        const char* what) {
  if (bytes.size() > most) {
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  std::string(what) + " of more than " + std::to_string(most) + " bytes");
  }
  Fd file = TRY(unnamed(store, "blob"));
  TRY(sys::writeAll(file, bytes));
  return file;
}

Result<Role> startVouch(const RoleStarter& starter, const ipc::VouchJob& job,
                        const std::string& signatures, const std::vector<ipc::TrustedKey>& keys) {
  const Sealed sealed = TRY(Sealed::make("airlock-signatures", signatures));
  const Sealed bundle = TRY(Sealed::make("airlock-keys", TRY(ipc::encodeKeyBundle(keys))));
  const FdRef fds[] = {sealed.fd(), bundle.fd()};
  return Role::start(starter, "authenticate", job, fds);
}

std::unexpected<Error> wrongLayer(const OciDigest& expected, const std::string& got) {
  return refuse(ErrorKind::Invalid, "E_DIGEST",
                "layer " + expected.text() + " of the image is another one: " + got,
                "Fetch it again; if that does not help, tell its publisher");
}

}  // namespace

Result<OciImport> OciImport::begin(Store& store, const RoleStarter& starter, const KeyStore& keys,
                                   const OciInput& input, const MayKeep& mayKeep) {
  OciImport import(store, starter,
                   {.image = OciDigest(),
                    .name = input.name,
                    .labels = {},
                    .origin = input.origin,
                    .importerUid = input.importerUid,
                    .latest = labelValue(input.labels, "version") == "latest"});
  TRY(import.copyDocuments(input));
  TRY(import.authenticate(keys, input));
  fault("oci-authenticated");
  TRY(import.describe(input));
  import.record_.rule = TRY(mayKeep(import.record_));
  TRY(import.checkName());
  TRY(import.findStored());
  fault("oci-described");
  return import;
}

Result<void> OciImport::copyDocuments(const OciInput& input) {
  manifest_ = TRY(keepDocument(*store_, input.manifest, limits::kOciManifestBytes, "a manifest"));
  config_ = TRY(keepDocument(*store_, input.config, limits::kOciConfigBytes, "a config"));
  record_.image = ociDigestOf(input.manifest);
  record_.config = ociDigestOf(input.config);
  if (input.index.empty()) return {};
  index_ = TRY(keepDocument(*store_, input.index, limits::kOciManifestBytes, "an index"));
  record_.index = ociDigestOf(input.index);
  return {};
}

Result<void> OciImport::authenticate(const KeyStore& keys, const OciInput& input) {
  const std::string shown = displayName(input.name, input.labels);
  if (!input.skipSignature) {
    const std::string bytes(input.signatures);
    ipc::VouchJob job{.digests = {*record_.image.oci()},
                      .name = input.name,
                      .version = std::string(labelValue(input.labels, "version")),
                      .notBefore = 0};
    if (record_.index) job.digests.push_back(*record_.index);
    Role role = TRY(startVouch(*starter_, job, bytes, TRY(keys.keysAndLogsFor(input.name))));
    const auto found = TRY(role.finish<ipc::Authenticated>(deadline(kRoleMilliseconds)));
    Result<std::vector<ipc::Signer>> signers =
        found.signatures.empty()
            ? notSigned(shown, record_.image)
            : decideSignatures(found, TRY(keys.fingerprintsFor(input.name)), shown);
    // A signature that was tampered with is not made up for by a pin.
    const bool pinned =
        !signers && signers.error().code() != "E_SIG_BAD" && input.pinned &&
        (input.pinned(record_.image) || (record_.index && input.pinned(*record_.index)));
    if (!pinned) {
      record_.signers = TRY(std::move(signers));
      signatures_ = TRY(unnamed(*store_, "signature"));
      TRY(sys::writeAll(*signatures_, bytes));
      record_.hasSignature = true;
    }
  }
  return checkSameSigner(*store_, input.name, record_.signers);
}

Result<void> OciImport::describe(const OciInput& input) {
  appcManifest_ = TRY(unnamed(*store_, "manifest"));
  const Fd manifest = TRY(readOnly(manifest_));
  const Fd config = TRY(readOnly(config_));
  std::vector<FdRef> fds = {manifest, config, appcManifest_};
  std::optional<Fd> index;
  if (index_) {
    index = TRY(readOnly(*index_));
    fds.emplace_back(*index);
  }
  const ipc::DescribeJob job{.name = input.name,
                             .labels = input.labels,
                             .manifest = *record_.image.oci(),
                             .hasIndex = index_.has_value()};
  Role role = TRY(Role::start(*starter_, "describe", job, fds));
  auto facts = TRY(role.finish<ipc::Described>(deadline(kRoleMilliseconds)));
  if (facts.config.digest != record_.config) {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  "the config is not the one that the manifest names",
                  "Fetch it again; if that does not help, tell its publisher");
  }
  if (facts.layers.empty()) return refuse(ErrorKind::Invalid, "E_MANIFEST", "the image is empty");
  record_.labels = std::move(facts.labels);
  std::uint64_t bytes = 0;
  for (const ipc::OciBlob& layer : facts.layers) {
    bytes += std::min(layer.bytes, limits::kImageBytes + 1);
    if (bytes > limits::kImageBytes)
      return refuse(ErrorKind::Invalid, "E_LIMIT", "the layers of the image are too large");
    const auto same = std::ranges::find(places_, layer.digest,
                                        [](const Place& place) { return place.blob.digest; });
    const auto first = static_cast<std::size_t>(same - places_.begin());
    Place& place = places_.emplace_back();
    place.blob = layer;
    place.first = first;
  }
  return {};
}

// The same manifest can be in two repositories.  The store has it under one name, and only root, or
// who brought it, gives it another: policy goes by names.
Result<void> OciImport::checkName() const {
  const auto known = TRY(store_->find(record_.image));
  if (!known || known->name == record_.name || record_.importerUid == 0 ||
      known->importerUid == record_.importerUid) {
    return {};
  }
  return refuse(ErrorKind::Denied, "E_NAME",
                "the image is in the store already, as " + displayName(known->name, known->labels),
                "Use it by that name");
}

Result<void> OciImport::findStored() {
  std::vector<OciDigest> digests;
  for (const Place& place : places_) digests.push_back(place.blob.digest);
  const auto found = TRY(store_->findLayers(digests));
  for (std::size_t i = 0; i < places_.size(); ++i) places_[i].stored = found[i];
  return {};
}

// One that comes once may be needed at two places, and be stored for one of them.
std::vector<std::uint32_t> OciImport::wanted() const {
  std::vector<std::uint32_t> wanted;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const std::size_t first = places_[i].first;
    const auto number = static_cast<std::uint32_t>(first);
    if (!places_[i].stored && !places_[first].file.valid() &&
        std::ranges::find(wanted, number) == wanted.end()) {
      wanted.push_back(number);
    }
  }
  std::ranges::sort(wanted);
  return wanted;
}

Result<void> OciImport::take(std::uint32_t index, FdRef layer) {
  const auto expected = wanted();
  if (std::ranges::find(expected, index) == expected.end())
    return refuse(ErrorKind::Invalid, "E_REQUEST", "a layer that nobody has asked for");
  TRY(checkSource(layer));
  TRY(collect(usefulWorkers() - 1));
  places_[index].file = TRY(unnamed(*store_, "blob"));
  for (Place& place : places_)
    if (place.first == index && !place.stored) place.tree = TRY(unnamed(*store_, "tree"));
  working_.push_back(TRY(Worker::start([&]() -> Result<std::string> {
    auto taken = copyAndConvert(index, layer);
    if (!taken) return ipc::encode(ipc::LayersTaken(ipc::Failure{std::move(taken.error())}));
    return ipc::encode(ipc::LayersTaken(*std::move(taken)));
  })));
  return {};
}

// Waits until no more than `most` layers are being taken.
Result<void> OciImport::collect(std::size_t most) {
  while (working_.size() > most) {
    std::vector<pollfd> events;
    for (const Worker& worker : working_) events.push_back({worker.answered().get(), POLLIN, 0});
    if (::poll(events.data(), events.size(), deadline(kLayerMilliseconds)) < 0 && errno != EINTR)
      return failErrno("poll");
    const auto ready = std::ranges::find_if(events, [](const pollfd& e) { return e.revents != 0; });
    const auto worker = working_.begin() + (ready == events.end() ? 0 : ready - events.begin());
    auto answer = TRY(ipc::decodeLayersTaken(TRY(worker->finish(deadline(kLayerMilliseconds)))));
    working_.erase(worker);
    if (auto* failure = std::get_if<ipc::Failure>(&answer))
      return std::unexpected(std::move(failure->error));
    for (ipc::TakenLayer& taken : std::get<std::vector<ipc::TakenLayer>>(answer))
      places_.at(taken.place).stored = std::move(taken.layer);
  }
  return {};
}

Result<void> OciImport::copyLayer(const Place& place, FdRef layer) {
  Sha256 hash;
  const auto bytes = pump(layer, place.blob.bytes, [&](std::span<const std::uint8_t> piece) {
    hash.update(piece);
    return sys::writeAll(place.file, piece);
  });
  if (!bytes && bytes.error().code() == "E_LIMIT")
    return wrongLayer(place.blob.digest, "it has more bytes than the manifest says");
  if (!bytes) return std::unexpected(Error(bytes.error()).in("layer " + place.blob.digest.text()));
  const OciDigest digest(hash.finish());
  if (digest != place.blob.digest)
    return wrongLayer(place.blob.digest, "its bytes have the digest " + digest.text());
  if (*bytes != place.blob.bytes)
    return wrongLayer(place.blob.digest, "the manifest gives it another size");
  beginWriting(place.file);
  return {};
}

Result<std::vector<ipc::TakenLayer>> OciImport::copyAndConvert(std::size_t first, FdRef layer) {
  TRY(copyLayer(places_[first], layer));
  fault("oci-layer-copied");
  std::vector<ipc::TakenLayer> taken;
  for (std::size_t i = first; i < places_.size(); ++i) {
    if (places_[i].first != first || places_[i].stored) continue;
    // What has to wait for those below is done at the end.
    if (auto stored = TRY(convert(i)))
      taken.push_back({static_cast<std::uint32_t>(i), *std::move(stored)});
  }
  return taken;
}

Result<Fd> OciImport::openTreeOf(const Place& place) const {
  return place.tree.valid() ? readOnly(place.tree) : store_->openTree(place.stored->tree);
}

Result<ipc::Layered> OciImport::unpack(std::size_t index, const std::vector<std::uint32_t>& skip,
                                       bool withLowers) {
  const Place& place = places_[index];
  if (::ftruncate(place.tree.get(), 0) != 0 || ::lseek(place.tree.get(), 0, SEEK_SET) != 0)
    return failErrno("empty a file");
  std::vector<Fd> lowers;
  for (std::size_t i = index; withLowers && i-- > 0;) lowers.push_back(TRY(openTreeOf(places_[i])));
  const ipc::LayerJob job{
      .bottom = index == 0, .lowers = static_cast<std::uint32_t>(lowers.size()), .skip = skip};
  const Fd file = TRY(readOnly(places_[place.first].file));
  return inContext(unpackLayerInto(*starter_, file, place.tree, job, lowers),
                   "layer " + place.blob.digest.text());
}

Result<std::optional<ipc::StoredLayer>> OciImport::convert(std::size_t index) {
  const Place& place = places_[index];
  const bool belowThere = std::ranges::all_of(
      std::span(places_).first(index), [](const Place& one) { return one.stored.has_value(); });
  std::vector<std::uint32_t> skip;  // entries that later ones replace
  ipc::Layered layered = TRY(unpack(index, skip, belowThere));
  // Once without what is replaced, once more for what only then shows.
  for (int tries = 0; !layered.superseded.empty() || layered.needsLowers; ++tries) {
    if (layered.needsLowers && !belowThere) return std::optional<ipc::StoredLayer>();
    if (tries == 3) {
      return refuse(ErrorKind::Invalid, "E_DUPLICATE",
                    "layer " + place.blob.digest.text() + " replaces its own entries without end",
                    "Ask its publisher for an image that was made anew");
    }
    skip.insert(skip.end(), layered.superseded.begin(), layered.superseded.end());
    std::ranges::sort(skip);
    layered = TRY(unpack(index, skip, belowThere));
  }
  beginWriting(place.tree);
  const CheckedTree checked = TRY(checkTree(*starter_, place.tree, ipc::CheckJob{.layer = true}));
  fault("oci-layer-converted");
  return ipc::StoredLayer{
      .blob = place.blob.digest,
      .blobBytes = place.blob.bytes,
      .tree = checked.tree,
      .treeBytes = static_cast<std::uint64_t>(TRY(sys::status(place.tree)).st_size),
      .verity = checked.verity,
      .hangsOnPlace = layered.hangsOnPlace};
}

Result<void> OciImport::receiveLayers(ipc::Channel& channel) {
  const std::vector<std::uint32_t> asked = wanted();
  TRY(channel.send(TRY(ipc::encode(ipc::HelperReply(ipc::LayersWanted{asked}))), {}));
  for (std::size_t left = asked.size(); left > 0; --left) {
    auto message = TRY(channel.receive(deadline(kLayerMilliseconds)));
    if (!message) return refuse(ErrorKind::Invalid, "E_REQUEST", "closed before all layers came");
    TRY(message->fds.expect(1));
    const ipc::OciLayerFile layer = TRY(ipc::decodeOciLayerFile(message->bytes));
    const Fd file = TRY(message->fds.take(0));
    TRY(take(layer.index, file));
  }
  return {};
}

Result<ipc::Imported> OciImport::finish() && {
  if (!wanted().empty())
    return refuse(ErrorKind::Invalid, "E_REQUEST", "a layer of the image has not come");
  TRY(collect(0));
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].stored) continue;
    if (!places_[i].tree.valid()) places_[i].tree = TRY(unnamed(*store_, "tree"));
    places_[i].stored = TRY(convert(i));
    if (!places_[i].stored) return fail(ErrorKind::Failed, "a layer waits for one above it");
  }
  Store& store = *store_;
  Store::Staged staged = TRY(std::move(*this).stage());
  ipc::Imported imported{.image = staged.record.image,
                         .name = staged.record.name,
                         .labels = staged.record.labels,
                         .signers = staged.record.signers};
  imported.alreadyThere = !TRY(store.commit(std::move(staged)));
  return imported;
}

Result<Store::Staged> OciImport::stage() && {
  const std::string appc = TRY(sys::readAll(appcManifest_, limits::kManifestBytes));
  record_.manifest = digestOf(appc);
  record_.manifestBytes = appc.size();
  record_.importedAt = sys::wallClock();
  for (const Fd* file : {&manifest_, &config_})
    record_.blobBytes += static_cast<std::uint64_t>(TRY(sys::status(*file)).st_size);
  Store::Staged staged{.record = record_, .files = {}, .signature = std::move(signatures_)};
  for (Place& place : places_) {
    if (place.tree.valid()) {
      // fs-verity wants no writer: the writable descriptor goes first.
      Fd tree = TRY(readOnly(place.tree));
      place.tree.reset();
      auto& verity = place.stored->verity;
      if (verity && !TRY(enableVerity(tree, *verity))) verity.reset();
      staged.files.push_back({"tree", treeName(place.stored->tree), std::move(tree)});
    }
    if (place.file.valid())
      staged.files.push_back({"blob", ociBlobName(place.blob.digest), std::move(place.file)});
    record_.treeBytes += place.stored->treeBytes;
    record_.blobBytes += place.stored->blobBytes;
    record_.layers.push_back(*place.stored);
  }
  record_.tree = ipc::stackDigest(record_.layers);
  staged.files.push_back({"blob", ociBlobName(*record_.image.oci()), std::move(manifest_)});
  staged.files.push_back({"blob", ociBlobName(*record_.config), std::move(config_)});
  if (index_) staged.files.push_back({"blob", ociBlobName(*record_.index), std::move(*index_)});
  staged.files.push_back({"manifest", catalogName(record_.image), std::move(appcManifest_)});
  staged.record = std::move(record_);
  return staged;
}

Result<ipc::ImageVerified> verifyStoredOci(const Store& store, const RoleStarter& starter,
                                           const KeyStore& keys, const ipc::CatalogRecord& record) {
  ipc::ImageVerified result;
  for (const ipc::StoredLayer& layer : record.layers) {
    const auto tree = store.openTree(layer.tree);
    result.detail =
        TRY(faultOfStored(tree, layer.tree, "the stored tree of layer " + layer.blob.text()));
    if (!result.detail.empty()) return result;
  }
  result.treeIntact = true;
  if (!record.hasSignature) {
    result.detail = "imported without a signature";
    return result;
  }
  Fd signatures = TRY(store.folder("signature"));
  const std::string bytes =
      TRY(sys::readFile(signatures, catalogName(record.image), limits::kSealedBytes));
  ipc::VouchJob job{.digests = {*record.image.oci()},
                    .name = record.name,
                    .version = std::string(labelValue(record.labels, "version")),
                    .notBefore = 0};
  if (record.index) job.digests.push_back(*record.index);
  Role role = TRY(startVouch(starter, job, bytes, TRY(keys.keysAndLogsFor(record.name))));
  const auto found = TRY(role.finish<ipc::Authenticated>(deadline(kRoleMilliseconds)));
  const auto signers =
      decideSignatures(found, TRY(keys.fingerprintsFor(record.name)), record.name.text());
  result.signatureHolds = signers.has_value();
  result.detail =
      signers ? "signed by " + signers->front().fingerprint.text() : signers.error().text();
  return result;
}

}  // namespace airlock::store
