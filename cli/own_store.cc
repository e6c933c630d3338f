// SPDX-License-Identifier: Apache-2.0
#include "cli/own_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <variant>

#include "base/log.h"
#include "base/sealed.h"
#include "cli/helper_client.h"
#include "cli/own_paths.h"
#include "cli/progress.h"
#include "image/reference.h"
#include "store/image_removal.h"

namespace airlock::cli {

namespace {

std::unexpected<Error> notFound(const std::string& argument) {
  return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no image in the store for " + quoted(argument),
                "See what is there with `airlock image list`");
}

}  // namespace

Result<std::optional<ipc::CatalogRecord>> findOciImage(const store::Store& store,
                                                       const image::RegistryImage& image) {
  const ImageName name = TRY(image::imageNameOf(image.repository));
  if (!image.digest) return store.find(name, {{"version", image.tag}});
  // The digest may be that of the index, too.
  for (ipc::CatalogRecord& record : TRY(store.images())) {
    const bool same = record.image == ImageId(*image.digest) || record.index == image.digest;
    if (same && record.name == name) return std::optional(std::move(record));
  }
  return std::optional<ipc::CatalogRecord>();
}

Result<ImageStore> ImageStore::choose(const Options& options) {
  if (helperReachable(options)) return ImageStore(options, true, options.dir);
  if (options.dirGiven) return ImageStore(options, false, options.dir);
  std::string own = ownDataDirectory();
  if (own.empty()) {
    return refuse(ErrorKind::Unsupported, "E_STORE",
                  "no helper can be reached, and there is no place for a store",
                  "Set HOME or XDG_DATA_HOME, or use --dir");
  }
  return ImageStore(options, false, std::move(own));
}

std::vector<std::string> ImageStore::configRoots() const {
  // What root's helper believes is root's alone; a user's own keys count in its own store.
  if (throughHelper_) return {options_.systemConfig, options_.localConfig};
  return options_.configRoots();
}

Result<store::Store> ImageStore::openOwn() const {
  struct stat info {};
  const bool exists = ::stat(directory_.c_str(), &info) == 0;
  if (exists && info.st_uid != ::geteuid()) {
    return refuse(ErrorKind::Unsupported, "E_HELPER",
                  "no helper can be reached, and " + printable(directory_) + " is not yours",
                  "Ask the administrator to enable airlock-helper.socket (or to run airlock-helper "
                  "--listen), use sudo, or leave --dir out for a store of your own");
  }
  static_cast<void>(TRY(makeDirectories(directory_, 0755)));
  return store::Store::openForWriting(directory_);
}

Result<std::optional<store::Store>> ImageStore::open() const {
  return store::Store::openForReading(directory_);
}

Result<store::KeyStore> ImageStore::keys() const { return store::KeyStore::open(configRoots()); }

Result<ipc::CatalogRecord> ImageStore::resolve(const std::string& argument) const {
  const auto opened = TRY(open());
  if (!opened) return notFound(argument);
  const image::ImageReference reference =
      TRY(image::parseImageReference(argument, [](std::string_view) { return false; }));
  if (const auto* prefix = std::get_if<image::HashPrefix>(&reference)) {
    auto found = opened->findByPrefix(prefix->text);
    if (!found && found.error().kind() == ErrorKind::Missing) return notFound(argument);
    return found;
  }
  if (const auto* registry = std::get_if<image::RegistryImage>(&reference)) {
    auto found = TRY(findOciImage(*opened, *registry));
    if (!found) return notFound(argument);
    return *std::move(found);
  }
  const auto* named = std::get_if<image::NamedImage>(&reference);
  if (named == nullptr) {
    return refuse(ErrorKind::Invalid, "E_REFERENCE",
                  quoted(argument) + " is neither an image id nor a name",
                  "Write sha512-… or NAME[:VERSION]");
  }
  auto found = TRY(opened->find(named->name, named->labels));
  // Images without a platform exist (data alone); the host's labels, which nobody asked for, do not
  // hide them.
  if (!found) {
    std::vector<Label> asked;
    for (const Label& label : named->labels) {
      if (label.name != "os" && label.name != "arch") asked.push_back(label);
    }
    found = TRY(opened->find(named->name, asked));
  }
  if (!found) return notFound(argument);
  return *std::move(found);
}

Result<store::ImportOutcome> ImageStore::import(const ipc::ImportRequest& request, FdRef image,
                                                std::optional<FdRef> signature) const {
  if (throughHelper_) {
    std::vector<FdRef> fds = {image};
    if (signature) fds.push_back(*signature);
    HelperAnswer answer = TRY(askHelper(options_, request, fds));
    if (auto* imported = std::get_if<ipc::Imported>(&answer.reply)) return std::move(*imported);
    if (auto* missing = std::get_if<ipc::DependenciesMissing>(&answer.reply))
      return std::move(*missing);
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  }
  store::Store own = TRY(openOwn());
  const store::ImportInput input{.image = image,
                                 .signature = signature,
                                 .name = request.name,
                                 .labels = request.labels,
                                 .origin = request.origin,
                                 .skipSignature = request.skipSignature,
                                 .importerUid = ::geteuid()};
  return store::importImage(
      own, TRY(store::RoleStarter::create()), TRY(keys()), input,
      [](const ipc::CatalogRecord&) { return Result<std::string>("own store"); });
}

Result<OciImporting> ImageStore::beginImport(const ipc::ImportOciRequest& request,
                                             const OciImporting::Documents& documents) const {
  OciImporting importing;
  if (throughHelper_) {
    std::vector<Sealed> sealed;
    for (const std::string* each :
         {&documents.manifest, &documents.config, &documents.signatures, &documents.index}) {
      if (each != &documents.index || request.hasIndex)
        sealed.push_back(TRY(Sealed::make("airlock-document", *each)));
    }
    std::vector<FdRef> fds;
    for (const Sealed& each : sealed) fds.push_back(each.fd());
    importing.helper_ = TRY(HelperConversation::open(options_));
    TRY(importing.helper_->say(TRY(ipc::encode(ipc::HelperRequest(request))), fds));
    HelperAnswer answer = TRY(importing.helper_->hear());
    auto* wanted = std::get_if<ipc::LayersWanted>(&answer.reply);
    if (wanted == nullptr)
      return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
    importing.wanted_ = std::move(wanted->layers);
    return importing;
  }
  importing.own_ = std::make_unique<OciImporting::Own>(OciImporting::Own{
      TRY(openOwn()), TRY(store::RoleStarter::create()), TRY(keys()), std::nullopt});
  OciImporting::Own& own = *importing.own_;
  own.import = TRY(store::OciImport::begin(
      own.store, own.starter, own.keys,
      {.manifest = documents.manifest,
       .config = documents.config,
       .signatures = documents.signatures,
       .index = documents.index,
       .name = request.name,
       .labels = request.labels,
       .origin = request.origin,
       .skipSignature = request.skipSignature,
       .importerUid = ::geteuid()},
      [](const ipc::CatalogRecord&) { return Result<std::string>("own store"); }));
  importing.wanted_ = own.import->wanted();
  return importing;
}

Result<void> OciImporting::give(std::uint32_t index, Fd file) {
  if (own_) return own_->import->take(index, file);
  const FdRef fds[] = {file};
  return helper_->say(TRY(ipc::encode(ipc::OciLayerFile{index})), fds);
}

Result<ipc::Imported> OciImporting::finish() && {
  if (own_) return (*std::move(own_->import)).finish();
  HelperAnswer answer = TRY(helper_->hear());
  helper_->end();
  if (auto* imported = std::get_if<ipc::Imported>(&answer.reply)) return std::move(*imported);
  return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
}

Result<ipc::ImageVerified> ImageStore::verify(const ipc::CatalogRecord& record) const {
  if (throughHelper_)
    return askFor<ipc::ImageVerified>(options_, ipc::VerifyImageRequest{record.image});
  const store::Store own = TRY(openOwn());
  return store::verifyStored(own, TRY(store::RoleStarter::create()), TRY(keys()), record);
}

Result<void> ImageStore::remove(const ipc::CatalogRecord& record) const {
  if (throughHelper_) {
    TRY(askFor<ipc::Done>(options_, ipc::RemoveImageRequest{record.image}));
    return {};
  }
  const store::Store own = TRY(openOwn());
  const auto pods = TRY(store::PodDirectory::openForWriting(own.top()));
  return store::removeImage(own, pods, record.image);
}

Result<std::vector<ipc::RemovedImage>> ImageStore::collect(
    std::uint64_t graceSeconds,
    const std::function<void(const ipc::RemovedImage&)>& removed) const {
  std::vector<ipc::RemovedImage> all;
  for (bool more = true; more;) {
    ipc::ImagesCollected collected;
    if (throughHelper_) {
      collected =
          TRY(askFor<ipc::ImagesCollected>(options_, ipc::CollectImagesRequest{graceSeconds}));
    } else {
      const store::Store own = TRY(openOwn());
      const auto pods = TRY(store::PodDirectory::openForWriting(own.top()));
      collected = TRY(store::collectImages(own, pods, graceSeconds,
                                           [](const ipc::CatalogRecord&) { return true; }));
    }
    for (const ipc::RemovedImage& image : collected.removed) {
      removed(image);
      all.push_back(image);
    }
    more = collected.more && !collected.removed.empty();
  }
  return all;
}

Result<std::vector<Fd>> ImageStore::openContent(const ipc::CatalogRecord& record,
                                                Content content) const {
  const bool tree = content == Content::Tree;
  if (!throughHelper_) {
    const store::Store own = TRY(openOwn());
    return tree ? own.openTrees(record) : own.openFiles(record);
  }
  HelperAnswer answer = TRY(askHelper(options_, ipc::OpenImageRequest{record.image, tree}, {}));
  const std::size_t layers = record.layers.size();
  std::size_t expected = layers == 0 ? 1 : layers;
  if (!tree && layers != 0) expected += record.index ? 3 : 2;
  if (!std::holds_alternative<ipc::ImageOpened>(answer.reply) || answer.fds.size() != expected)
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  return std::move(answer.fds);
}

}  // namespace airlock::cli
