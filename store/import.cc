// SPDX-License-Identifier: Apache-2.0
#include "store/import.h"

#include <fcntl.h>

#include <algorithm>

#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "store/byte_stream.h"
#include "store/dependencies.h"
#include "store/oci_import.h"
#include "store/signers.h"
#include "store/staging.h"
#include "store/unpacking.h"
#include "store/verity.h"

namespace airlock::store {

namespace {

Result<Sealed> keyBundle(const std::vector<ipc::TrustedKey>& keys) {
  return Sealed::make("airlock-keys", TRY(ipc::encodeKeyBundle(keys)));
}

Result<Role> startAuthenticate(const RoleStarter& starter, FdRef blob, FdRef signature,
                               const std::vector<ipc::TrustedKey>& keys) {
  const Sealed bundle = TRY(keyBundle(keys));
  const Fd data = TRY(readOnly(blob));
  const FdRef fds[] = {data, signature, bundle.fd()};
  return Role::start(starter, "authenticate", ipc::AuthenticateJob{}, fds);
}

std::string shownNameOf(const ImportInput& input) {
  return input.name ? displayName(*input.name, input.labels) : "";
}

Result<void> checkNameAndLabels(const ImportInput& input, const ipc::Unpacked& found) {
  if (input.name && *input.name != found.name) {
    return refuse(ErrorKind::Denied, "E_NAME",
                  "error when reading the app name: \"" + input.name->text() +
                      "\" expected but \"" + found.name.text() + "\" found",
                  "The server sent another image than the one asked for: ask its publisher");
  }
  for (const Label& label : input.labels) {
    const auto have = std::ranges::find(found.labels, label.name, &Label::name);
    if (have == found.labels.end()) {
      return refuse(ErrorKind::Denied, "E_LABEL",
                    "requested label \"" + label.name + "\" not provided by the image manifest");
    }
    if (have->value != label.value) {
      return refuse(ErrorKind::Denied, "E_LABEL",
                    "requested value for label \"" + label.name + "\": \"" + label.value +
                        "\" differs from fetched aci label value: " + quoted(have->value));
    }
  }
  return {};
}

// An import on its way: each step stands on those before it.
class Import {
 public:
  Import(Store& store, const RoleStarter& starter, const KeyStore& keys, const ImportInput& input)
      : store_(store), starter_(starter), keys_(keys), input_(input) {}

  Result<void> copy();
  Result<void> unpackAndAuthenticate();
  // What the image needs and the store does not have; empty: it needs nothing, or has it all.
  Result<std::vector<ipc::WantedImage>> render();
  Result<void> check();
  Result<Store::Staged> stage(std::string rule) &&;

  // What is known once its signature has been looked at.
  ipc::CatalogRecord verified() const {
    return {.image = image_, .name = facts_->name, .labels = facts_->labels, .signers = signers_};
  }

 private:
  Result<void> takeSigners(Role authenticate);

  Store& store_;
  const RoleStarter& starter_;
  const KeyStore& keys_;
  const ImportInput& input_;
  Fd blob_;
  BlobDigest blobDigest_;
  std::uint64_t blobBytes_ = 0;
  std::optional<Fd> signature_;
  Fd tree_;
  Fd manifest_;
  ImageId image_;
  std::optional<ipc::Unpacked> facts_;
  std::vector<ipc::Signer> signers_;
  std::vector<ipc::Dependency> dependencies_;
  TreeDigest treeDigest_;
  std::optional<VerityDigest> verity_;
};

// From here on the caller's descriptors no longer matter: we work on bytes that nobody else can
// write.
Result<void> Import::copy() {
  TRY(checkSource(input_.image));
  blob_ = TRY(unnamed(store_, "blob"));
  Blake2b hash;
  blobBytes_ = TRY(inContext(pump(input_.image, limits::kImageBytes,
                                  [&](std::span<const std::uint8_t> bytes) {
                                    hash.update(bytes);
                                    return sys::writeAll(blob_, bytes);
                                  }),
                             "copy the image into the store"));
  blobDigest_ = BlobDigest(hash.finish());
  beginWriting(blob_);
  fault("import-copied");
  if (!input_.signature || input_.skipSignature) return {};
  TRY(checkSource(*input_.signature));
  signature_ = TRY(unnamed(store_, "signature"));
  auto bytes = sys::readAll(*input_.signature, limits::kSignatureBytes);
  return sys::writeAll(*signature_, TRY(inContext(std::move(bytes), "signature")));
}

// The role that reads the signature never parses the archive, and the ones that parse the archive
// never say whether it was signed; so they may run at once.  Without a name to go by, every trusted
// key is asked, and the name decides afterwards which of them count.
Result<void> Import::unpackAndAuthenticate() {
  std::vector<ipc::TrustedKey> asked;
  std::optional<Role> authenticate;
  if (signature_) {
    asked = input_.name ? TRY(keys_.keysFor(*input_.name)) : TRY(keys_.everyKey());
    authenticate = TRY(startAuthenticate(starter_, blob_, *signature_, asked));
  }
  tree_ = TRY(unnamed(store_, "tree"));
  manifest_ = TRY(unnamed(store_, "manifest"));
  const Fd bytes = TRY(readOnly(blob_));
  auto unpacked = unpackInto(starter_, bytes, tree_, manifest_);
  if (!unpacked && authenticate) {
    // A changed file often no longer unpacks; that its signature is bad is what its user must hear
    // first.
    std::vector<KeyFingerprint> ring;
    for (const ipc::TrustedKey& key : asked) ring.push_back(key.fingerprint);
    const auto found = authenticate->finish<ipc::Authenticated>(deadline(kRoleMilliseconds));
    if (found) TRY(decideSignatures(*found, ring, shownNameOf(input_)));
  }
  if (!unpacked) return std::unexpected(std::move(unpacked.error()));
  image_ = unpacked->first;
  facts_ = std::move(unpacked->second);
  beginWriting(tree_);
  fault("import-unpacked");

  TRY(checkNameAndLabels(input_, *facts_));
  if (authenticate) TRY(takeSigners(*std::move(authenticate)));
  TRY(checkSameSigner(store_, facts_->name, signers_));
  fault("import-authenticated");
  return {};
}

Result<void> Import::takeSigners(Role authenticate) {
  const auto found = TRY(authenticate.finish<ipc::Authenticated>(deadline(kRoleMilliseconds)));
  signers_ = TRY(decideSignatures(found, TRY(keys_.fingerprintsFor(facts_->name)),
                                  displayName(facts_->name, facts_->labels)));
  return {};
}

Result<std::vector<ipc::WantedImage>> Import::render() {
  if (facts_->dependencies.empty() && !facts_->hasWhitelist) return std::vector<ipc::WantedImage>();
  Resolved resolved = TRY(resolveDependencies(store_, facts_->dependencies));
  if (!resolved.missing.empty()) return std::move(resolved.missing);
  std::vector<RenderPart> parts;
  parts.push_back({.image = image_,
                   .blob = TRY(readOnly(blob_)),
                   .manifest = TRY(sys::readAll(manifest_, limits::kManifestBytes)),
                   .depth = 0,
                   .shown = displayName(facts_->name, facts_->labels)});
  for (const ipc::Dependency& part : resolved.dependencies) {
    const ipc::CatalogRecord record = TRY(store_.require(part.image));
    const std::string shown = displayName(part.name, part.labels);
    auto file = store_.openBlob(record);
    if (!file) {
      return refuse(
          file.error().kind(), "E_DEPENDENCY",
          "the stored file of " + shown + ", on which the image depends: " + file.error().text(),
          "Remove that image and fetch it again: airlock image rm " + shown);
    }
    parts.push_back({.image = part.image,
                     .blob = *std::move(file),
                     .manifest = TRY(store_.manifest(record)),
                     .depth = part.depth,
                     .shown = shown});
  }
  tree_ = TRY(unnamed(store_, "tree"));
  const Fd scratch = TRY(unnamed(store_, "tree"));
  TRY(renderInto(starter_, parts, tree_, scratch));
  beginWriting(tree_);
  dependencies_ = std::move(resolved.dependencies);
  fault("render-done");
  return std::vector<ipc::WantedImage>();
}

Result<void> Import::check() {
  const CheckedTree checked = TRY(checkTree(starter_, tree_, {}));
  treeDigest_ = checked.tree;
  verity_ = checked.verity;
  fault("import-checked");
  return {};
}

Result<Store::Staged> Import::stage(std::string rule) && {
  const std::string manifestBytes = TRY(sys::readAll(manifest_, limits::kManifestBytes));
  Store::Staged staged{
      .record = {.image = image_,
                 .name = facts_->name,
                 .labels = facts_->labels,
                 .tree = treeDigest_,
                 .treeBytes = static_cast<std::uint64_t>(TRY(sys::status(tree_)).st_size),
                 .blob = blobDigest_,
                 .blobBytes = blobBytes_,
                 .manifest = digestOf(manifestBytes),
                 .manifestBytes = manifestBytes.size(),
                 .hasSignature = signature_.has_value(),
                 .signers = std::move(signers_),
                 .rule = std::move(rule),
                 .origin = input_.origin,
                 .importerUid = input_.importerUid,
                 .importedAt = sys::wallClock(),
                 .latest = input_.name && labelValue(input_.labels, "version").empty(),
                 .verity = std::nullopt,
                 .dependencies = std::move(dependencies_),
                 .layers = {},
                 .config = std::nullopt,
                 .index = std::nullopt},
      .files = {},
      .signature = std::move(signature_)};
  // fs-verity wants no writer: the writable descriptor goes first.
  Fd tree = TRY(readOnly(tree_));
  tree_.reset();
  if (verity_ && TRY(enableVerity(tree, *verity_))) staged.record.verity = verity_;
  staged.files.push_back({"blob", blobName(blobDigest_), std::move(blob_)});
  staged.files.push_back({"tree", treeName(treeDigest_), std::move(tree)});
  staged.files.push_back({"manifest", catalogName(image_), std::move(manifest_)});
  fault("import-verity");
  return staged;
}

}  // namespace

Result<ImportOutcome> importImage(Store& store, const RoleStarter& starter, const KeyStore& keys,
                                  const ImportInput& input, const MayKeep& mayKeep) {
  if (!input.signature && !input.skipSignature) return notSigned(shownNameOf(input));
  Import import(store, starter, keys, input);
  TRY(import.copy());
  TRY(import.unpackAndAuthenticate());
  // Now the image has a name of its own, and who it is for decides about that one.
  std::string rule = TRY(mayKeep(import.verified()));
  if (auto missing = TRY(import.render()); !missing.empty())
    return ipc::DependenciesMissing{std::move(missing)};
  TRY(import.check());
  Store::Staged staged = TRY(std::move(import).stage(std::move(rule)));
  ipc::Imported imported{.image = staged.record.image,
                         .name = staged.record.name,
                         .labels = staged.record.labels,
                         .signers = staged.record.signers};
  imported.alreadyThere = !TRY(store.commit(std::move(staged)));
  return imported;
}

Result<ipc::ImageVerified> verifyStored(const Store& store, const RoleStarter& starter,
                                        const KeyStore& keys, const ipc::CatalogRecord& record) {
  if (record.image.oci() != nullptr) return verifyStoredOci(store, starter, keys, record);
  ipc::ImageVerified result;
  const auto tree = store.openTree(record.tree);
  result.detail = TRY(faultOfStored(tree, record.tree, "the stored tree"));
  result.treeIntact = result.detail.empty();
  if (!result.treeIntact) return result;
  if (!record.hasSignature) {
    result.detail = "imported without a signature";
    return result;
  }
  Fd signatures = TRY(store.folder("signature"));
  const auto blob = store.openBlob(record);
  result.detail = TRY(faultOfStored(blob, record.blob, "the stored image file"));
  if (!result.detail.empty()) return result;
  const Fd signature = TRY(sys::openBeneath(signatures, catalogName(record.image), O_RDONLY));
  Role authenticate =
      TRY(startAuthenticate(starter, *blob, signature, TRY(keys.keysFor(record.name))));
  const auto found = TRY(authenticate.finish<ipc::Authenticated>(deadline(kRoleMilliseconds)));
  const auto signers =
      decideSignatures(found, TRY(keys.fingerprintsFor(record.name)), record.name.text());
  result.signatureHolds = signers.has_value();
  result.detail =
      signers ? "signed by " + signers->front().fingerprint.text() : signers.error().text();
  if (record.verity && measureVerity(*tree) != record.verity)
    result.detail += "; its fs-verity has been lost, fetch it again to have it back";
  return result;
}

}  // namespace airlock::store
