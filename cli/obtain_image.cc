// SPDX-License-Identifier: Apache-2.0
#include "cli/obtain_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/download_cache.h"
#include "cli/fetch_client.h"
#include "cli/go_format.h"
#include "cli/obtain_oci_image.h"
#include "cli/options.h"
#include "cli/own_paths.h"
#include "cli/own_store.h"
#include "cli/text_output.h"
#include "cli/trusted_keys.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "store/dependencies.h"

namespace airlock::cli {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

bool isRegularFile(std::string_view path) {
  struct stat info {};
  return ::stat(std::string(path).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool isUrl(const std::string& text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

std::unexpected<Error> notObtained(const std::string& argument) {
  return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                "unable to fetch image from image name " + quoted(argument) +
                    ": either image was not found in the store or store was disabled and fetching "
                    "from remote yielded "
                    "nothing or it was disabled",
                "Fetch it with " + programName() + " fetch");
}

// The text in which Go's os.Open fails, which scripts look for.
std::string openText(const std::string& path, const Error& error) {
  return "open " + printable(path) + ": " +
         (error.kind() == ErrorKind::Missing ? "no such file or directory" : error.message());
}

void tellSigners(const ipc::Imported& imported) {
  if (imported.signers.empty()) return;
  inform("signature verified:");
  for (const ipc::Signer& signer : imported.signers) {
    note("  " + (signer.userId.empty() ? signer.fingerprint.text() : printable(signer.userId)) +
         "\n");
  }
}

// What to do about a refusal that leaves it open: the parties that could not know.
Error advised(Error error) {
  if (!error.hint().empty()) return error;
  if (error.message().contains("No space left on device")) {
    return std::move(error).withHint(
        "Make room for the download and for the store, and try again: nothing was kept");
  }
  const std::string& code = error.code();
  const bool address = code == "E_URL" || code == "E_SCHEME" || code == "E_CREDENTIALS";
  if (error.kind() != ErrorKind::Invalid || address) return error;
  return std::move(error).withHint("Ask its publisher for a good image: nothing was kept");
}

// The images that are being obtained, each for the sake of the one before it, and what was obtained
// on the way.
struct Chain {
  std::vector<std::string> names;
  std::set<std::string> done;
};

// What a manifest asks for, as it would be written on a command line.
std::string referenceOf(const ipc::WantedImage& wanted) {
  return image::referenceText({.name = wanted.name, .labels = wanted.labels});
}

class Obtaining {
 public:
  // `expected` is what a dependency must turn out to be.
  Obtaining(const Options& options, ImageStore images, const std::string& argument,
            const std::string& signatureFile, PullPolicy policy, Chain& chain,
            const ipc::WantedImage* expected = nullptr)
      : options_(options),
        images_(std::move(images)),
        argument_(argument),
        signatureFile_(signatureFile),
        policy_(policy),
        chain_(chain),
        expected_(expected) {}

  Result<ipc::CatalogRecord> operator()(const image::HashPrefix&) {
    return images_.resolve(argument_);
  }

  Result<ipc::CatalogRecord> operator()(const image::FilePath& file) {
    const std::string path = TRY(absolutePath(file.path));
    std::optional<Fd> signature;
    if (!options_.insecure.image) {
      const std::string beside =
          path.substr(0, path.size() - (path.ends_with(".aci") ? 4 : 0)) + ".aci.asc";
      signature = TRY(openSignature(signatureFile_.empty() ? beside : signatureFile_));
    }
    const auto image = sys::openPath(path, O_RDONLY);
    if (!image) {
      return refuse(image.error().kind(), "E_NOT_FOUND",
                    "error opening ACI file: " + openText(path, image.error()));
    }
    return import({.origin = "file://" + path}, *image,
                  signature ? std::optional(signature->ref()) : std::nullopt);
  }

  Result<ipc::CatalogRecord> operator()(const image::WebUrl& web) {
    Download download = TRY(Download::open(TRY(openCache(options_)), web.url));
    if (policy_ != PullPolicy::Update) {
      if (auto kept = TRY(fromStore(download))) return *std::move(kept);
      if (policy_ == PullPolicy::Never) return notObtained(argument_);
    }
    return refreshed(TRY(remote(download, {.url = web.url}, {})));
  }

  Result<ipc::CatalogRecord> operator()(const image::RegistryImage& image) {
    TRY(refuseSignatureFile());
    return obtainOciImage(options_, images_, image, policy_);
  }

  Result<ipc::CatalogRecord> operator()(const image::LocalOciImage& image) {
    TRY(refuseSignatureFile());
    return obtainOciImage(options_, images_, image);
  }

  Result<ipc::CatalogRecord> operator()(const image::NamedImage& named) {
    if (policy_ != PullPolicy::Update) {
      auto kept = images_.resolve(argument_);
      if (kept) inform("using image from local store for image name " + printable(argument_));
      if (kept || kept.error().kind() != ErrorKind::Missing) return kept;
      if (policy_ == PullPolicy::Never) return notObtained(argument_);
    }
    Download download = TRY(Download::open(TRY(openCache(options_)), requestKey(named)));
    if (auto fresh = TRY(freshCopy(download))) return refreshed(*std::move(fresh));
    if (!options_.insecure.image) keysText_ = discoverKeysFor(options_, named.name);
    return refreshed(TRY(remote(download, {.name = named.name.text(), .labels = named.labels},
                                {.name = named.name, .labels = named.labels})));
  }

 private:
  static std::string requestKey(const image::NamedImage& named) {
    std::string key = named.name.text();
    for (const Label& label : named.labels) key += "," + label.name + "=" + label.value;
    return key;
  }

  // The signatures of such an image are where it is, or where the configuration says.
  Result<void> refuseSignatureFile() const {
    if (signatureFile_.empty()) return {};
    return refuse(
        ErrorKind::Invalid, "E_USAGE",
        "--signature names the detached signature of an ACI, and " + quoted(argument_) + " is none",
        "Leave it out: signatures are looked for in the registry");
  }

  Result<Fd> openSignature(const std::string& path) const {
    auto file = sys::openPath(path, O_RDONLY);
    if (file) return file;
    return refuse(file.error().kind(), "E_SIG_MISSING",
                  "error opening signature file: " + openText(path, file.error()),
                  "Put the signature there, or name it with --signature");
  }

  // The image that an earlier answer became, when it is in the store still.  One that was let in
  // without a signature is no answer to a request that wants it verified.
  Result<std::optional<ipc::CatalogRecord>> fromStore(const Download& download) const {
    if (!download.record()) return std::nullopt;
    const auto id = ImageId::parse(download.record()->image);
    const auto opened = TRY(images_.open());
    if (!id || !opened) return std::nullopt;
    auto record = TRY(opened->find(*id));
    if (record && record->signers.empty() && !options_.insecure.image) return std::nullopt;
    return record;
  }

  Result<std::optional<ipc::CatalogRecord>> freshCopy(const Download& download) const {
    if (freshnessOf(download.record(), wallClock() / kSecond) != Freshness::Fresh)
      return std::nullopt;
    return fromStore(download);
  }

  Result<ipc::CatalogRecord> remote(Download& download, ipc::FetchImageJob job,
                                    ipc::ImportRequest request) const {
    if (auto fresh = TRY(freshCopy(download))) return *std::move(fresh);
    const std::optional<ipc::CatalogRecord> kept = TRY(fromStore(download));
    job.options = TRY(fetchOptions(options_));
    if (options_.insecure.tls) inform("warning: TLS verification has been disabled");
    job.wantSignature = !options_.insecure.image;
    std::optional<Fd> signature;
    if (job.wantSignature && isUrl(signatureFile_)) {
      job.signatureUrl = signatureFile_;
    } else if (job.wantSignature && !signatureFile_.empty()) {
      signature = TRY(openSignature(signatureFile_));
      job.wantSignature = false;
    }
    if (kept) {
      job.knownUrl = download.record()->url;
      job.cachedTag = download.record()->tag;
    }
    const Fd downloaded = TRY(memoryFile("signature"));
    const ipc::FetchedImage fetched = TRY(fetchInto(download, std::move(job), downloaded));
    CacheRecord record{.url = fetched.url,
                       .tag = fetched.tag,
                       .maxAge = fetched.maxAge,
                       .downloadedAt = wallClock() / kSecond};
    if (fetched.notModified) {
      if (!kept)
        return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher kept an image that is not there");
      record.image = download.record()->image;
      TRY(download.remember(record));
      return *kept;
    }
    if (fetched.hasSignature && !signature) signature = TRY(sys::duplicate(downloaded));
    request.origin = fetched.url;
    ipc::CatalogRecord imported =
        TRY(import(std::move(request), download.file(),
                   signature ? std::optional(signature->ref()) : std::nullopt));
    record.image = imported.image.text();
    TRY(download.remember(record));
    return imported;
  }

  // Goes on from what an earlier process left, and leaves what came when the connection breaks.
  Result<ipc::FetchedImage> fetchInto(Download& download, ipc::FetchImageJob job,
                                      FdRef signature) const {
    if (const auto& part = download.part()) {
      // A copy in the store that came from elsewhere is older than the part.
      if (job.knownUrl != part->record.url) job.cachedTag.clear();
      job.knownUrl = part->record.url;
      job.resumeFrom = part->bytes;
      job.resumeTag = part->record.tag;
    }
    bool begun = false;  // the first of these events comes before the server has said anything
    auto fetched = fetchImage(
        std::move(job), download.file(), signature,
        [&](const ipc::FetchFound& found) {
          if (std::exchange(begun, true)) tellVersion(download, found);
        },
        keysText_);
    if (fetched) return fetched;
    Error error = std::move(fetched.error());
    constexpr std::string_view ofSignature = "signature: ";
    if (error.code() == "E_HTTP" && error.kind() == ErrorKind::Missing &&
        error.message().starts_with(ofSignature)) {
      return refuse(ErrorKind::Denied, "E_SIG_MISSING",
                    "image " + quoted(argument_) +
                        " has no signature: " + error.message().substr(ofSignature.size()),
                    "If the image is there at all, name its signature with --signature, or accept "
                    "it unverified with --insecure-options=image where policy allows");
    }
    if (!isBroken(error)) return std::unexpected(std::move(error));
    const std::uint64_t kept = download.keep();
    if (kept == 0 && !error.hint().empty()) return std::unexpected(std::move(error));
    std::string hint = kept > 0 ? "Try again: " + std::to_string(kept) +
                                      " bytes are kept for a day, and the same command goes on "
                                      "from there"
                                : "Check the name, the network and the proxy, and try again";
    return std::unexpected(std::move(error).withHint(std::move(hint)));
  }

  // From a record that cannot be written nobody goes on: the download itself may still succeed.
  static void tellVersion(Download& download, const ipc::FetchFound& found) {
    const bool resumable = !found.tag.empty() && !found.tag.starts_with("W/");
    if (!resumable || !download.begin({.url = found.url, .tag = found.tag})) download.forget();
  }

  // The network's fault: what came is no worse for it.
  static bool isBroken(const Error& error) {
    return error.code() == "E_SHORT" || error.code() == "E_TIMEOUT" || error.code() == "E_CONNECT";
  }

  // An image that needs others is imported again when they are there: from the same bytes.
  Result<ipc::CatalogRecord> import(ipc::ImportRequest request, FdRef image,
                                    std::optional<FdRef> signature) const {
    request.hasSignature = signature.has_value();
    request.skipSignature = options_.insecure.image;
    if (request.skipSignature) inform("warning: image signature verification has been disabled");
    TRY(checkSize(image));
    for (std::size_t round = 0; round <= limits::kDependencyDepth; ++round) {
      if (round > 0 && ::lseek(image.get(), 0, SEEK_SET) < 0)
        return failErrno("read the image again");
      auto outcome = TRY(images_.import(request, image, signature));
      if (const auto* imported = std::get_if<ipc::Imported>(&outcome)) {
        tellSigners(*imported);
        const auto opened = TRY(images_.open());
        if (opened) {
          if (auto record = TRY(opened->find(imported->image))) return *std::move(record);
        }
        return refuse(ErrorKind::Failed, "E_STORE", "the image went away while it was imported");
      }
      for (const auto& wanted : std::get<ipc::DependenciesMissing>(outcome).images)
        TRY(obtainDependency(wanted, PullPolicy::Update));
    }
    return refuse(ErrorKind::Invalid, "E_DEPENDENCY",
                  quoted(argument_) + " needs one image after the other, and still more",
                  "Ask its publisher for an image with fewer dependencies");
  }

  Result<void> checkSize(FdRef image) const {
    if (expected_ == nullptr || expected_->size == 0) return {};
    const auto size = static_cast<std::uint64_t>(TRY(sys::status(image)).st_size);
    if (size == expected_->size) return {};
    return refuse(ErrorKind::Invalid, "E_DEPENDENCY",
                  "dependency " + quoted(argument_) + " has " + std::to_string(size) +
                      " bytes, and " + quoted(chain_.names.back()) + " asks for one of " +
                      std::to_string(expected_->size),
                  "Ask the publisher of either: they do not belong together");
  }

  Result<ipc::CatalogRecord> obtainDependency(const ipc::WantedImage& wanted,
                                              PullPolicy policy) const {
    const std::string name = referenceOf(wanted);
    const auto refused = [&](const std::string& why, const char* hint) {
      return refuse(ErrorKind::Invalid, "E_DEPENDENCY",
                    quoted(argument_) + " depends on " + quoted(name) + ": " + why, hint);
    };
    if (policy_ == PullPolicy::Never) {
      return refused("it is not in the store, and nothing is fetched",
                     "Fetch it first, or leave --pull-policy=never out");
    }
    if (std::ranges::find(chain_.names, name) != chain_.names.end() || name == argument_)
      return refused("that depends on it in turn", "Ask their publisher: no image can be both");
    if (chain_.names.size() >= limits::kDependencyDepth)
      return refused("too many images need each other", "Ask its publisher for fewer");
    inform("fetching dependency " + printable(name) + " of " + printable(argument_));
    chain_.names.push_back(argument_);
    auto obtained = Obtaining(options_, images_, name, "", policy, chain_,
                              &wanted)(TRY(image::parseNamedImage(name)));
    chain_.names.pop_back();
    if (!obtained) {
      const Error& error = obtained.error();
      return std::unexpected(Error(error).in("dependency " + printable(name)));
    }
    chain_.done.insert(name);
    if (!wanted.id.empty() && !obtained->image.text().starts_with(wanted.id)) {
      return refused("the one that was fetched has the id " + obtained->image.shortText(32) +
                         " instead of " + wanted.id.substr(0, 39),
                     "Fetch the right one first, from a file or an address; or ask the publisher");
    }
    return obtained;
  }

  // An image from the network whose dependencies have changed since is rendered again with those of
  // today.  Where they cannot be asked for, it stays what it is.
  Result<ipc::CatalogRecord> refreshed(ipc::CatalogRecord record) const {
    const auto opened = TRY(images_.open());
    if (policy_ != PullPolicy::Update || record.dependencies.empty() || !opened) return record;
    const auto manifest = TRY(image::parseImageManifest(TRY(opened->manifest(record))));
    std::vector<ipc::WantedImage> wanted;
    for (const image::Dependency& one : manifest.dependencies) {
      wanted.push_back({one.imageName, one.imageId, one.labels, one.size});
      // What is named by its id never changes; what was fetched just now has not.
      if (!one.imageId.empty() || chain_.done.contains(referenceOf(wanted.back()))) continue;
      if (const auto updated = obtainDependency(wanted.back(), policy_); !updated) {
        inform("warning: the dependency in the store is used: " + updated.error().text());
      }
    }
    const auto now = TRY(store::resolveDependencies(*opened, wanted));
    if (now.missing.empty() &&
        std::ranges::equal(now.dependencies, record.dependencies, {}, &ipc::Dependency::image,
                           &ipc::Dependency::image)) {
      return record;
    }
    inform("rendering " + printable(displayName(record.name, record.labels)) +
           " again with its newer dependencies");
    return importAgain(*opened, record);
  }

  Result<ipc::CatalogRecord> importAgain(const store::Store& opened,
                                         const ipc::CatalogRecord& record) const {
    const std::vector<Fd> files = TRY(images_.openContent(record, ImageStore::Content::File));
    std::optional<Fd> signature;
    if (record.hasSignature && !options_.insecure.image) {
      const Fd folder = TRY(opened.folder("signature"));
      signature = TRY(sys::openBeneath(folder, store::catalogName(record.image), O_RDONLY));
    }
    ipc::ImportRequest request{.name = record.name, .origin = record.origin};
    if (!record.latest) request.labels = record.labels;
    return import(std::move(request), files.front(),
                  signature ? std::optional(signature->ref()) : std::nullopt);
  }

  const Options& options_;
  ImageStore images_;
  const std::string& argument_;
  const std::string& signatureFile_;
  PullPolicy policy_;
  std::string keysText_;  // shown before the signature is
  Chain& chain_;
  const ipc::WantedImage* expected_;
};

}  // namespace

Result<PullPolicy> parsePullPolicy(std::string_view text) {
  if (text == "never") return PullPolicy::Never;
  if (text == "new") return PullPolicy::New;
  if (text == "update") return PullPolicy::Update;
  return refuse(ErrorKind::Invalid, "E_USAGE",
                "invalid value " + quoted(text) + " for --pull-policy",
                "It takes never, new or update");
}

Result<ipc::CatalogRecord> obtainImage(const Options& options, const std::string& argument,
                                       const std::string& signatureFile, PullPolicy policy) {
  const image::ImageReference reference = TRY(image::parseImageReference(argument, isRegularFile));
  Chain chain;
  Obtaining obtaining(options, TRY(ImageStore::choose(options)), argument, signatureFile, policy,
                      chain);
  auto obtained = std::visit(obtaining, reference);
  if (!obtained) {
    const std::string& code = obtained.error().code();
    if (code == "E_SIG_NOKEY" || code == "E_SIG_UNTRUSTED") tellTrustedPrefixes(options);
    return std::unexpected(advised(std::move(obtained.error())));
  }
  return obtained;
}

}  // namespace airlock::cli
