// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/registry_source.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "unpriv-fetch/blob_file.h"
#include "unpriv-fetch/layer_download.h"
#include "unpriv-fetch/sigstore.h"

namespace airlock::fetch {
namespace {

// Asks each registry until one has it.  The error is that of the last one: the registry itself.
template <class Ask>
auto firstOf(std::vector<Registry>& registries, Events& events, Ask ask)
    -> decltype(ask(registries.front())) {
  for (std::size_t i = 0;; ++i) {
    auto answer = ask(registries[i]);
    if (answer || i + 1 == registries.size()) return answer;
    TRY(events.note("mirror " + quoted(registries[i].host()) +
                    " does not have it: " + answer.error().text()));
  }
}

// Every kind of manifest and index that we read.
std::string manifestAccept() {
  std::string line = "Accept: ";
  line += image::kOciIndexType;
  for (const std::string_view type :
       {image::kDockerListType, image::kOciManifestType, image::kDockerManifestType}) {
    line += ", ";
    line += type;
  }
  return line;
}

std::string escapedType(std::string_view type) {
  std::string out;
  for (const char c : type) {
    if (c == '+') {
      out += "%2B";
    } else if (c == '/') {
      out += "%2F";
    } else {
      out += c;
    }
  }
  return out;
}

// What a repository has beside an image.
class RegistryPlace : public ManifestPlace {
 public:
  explicit RegistryPlace(Registry& registry) : registry_(&registry) {}

  Result<std::optional<Found>> byTag(const std::string& tag) override {
    return optional("manifests/" + tag);
  }
  Result<std::optional<Found>> referrers(const OciDigest& subject,
                                         std::string_view artifactType) override {
    return optional("referrers/" + ociText(subject) + "?artifactType=" + escapedType(artifactType));
  }
  Result<std::optional<std::string>> manifest(const image::OciDescriptor& which,
                                              std::size_t most) override {
    if (which.size > most) return tooLarge(which);
    auto found = TRY(optional("manifests/" + ociText(which.digest)));
    if (!found) return std::nullopt;
    TRY(checkBlob(found->text, which.digest, which.size, "the signature " + ociText(which.digest)));
    return std::optional(std::move(found->text));
  }
  Result<std::string> blob(const image::OciDescriptor& which, std::size_t most) override {
    if (which.size > most) return tooLarge(which);
    Document answer = TRY(registry_->document("blobs/" + ociText(which.digest), {}, most));
    if (answer.response.status != 200) return badStatus(answer.response);
    TRY(checkBlob(answer.text, which.digest, which.size, "the signature " + ociText(which.digest)));
    return std::move(answer.text);
  }

 private:
  static std::unexpected<Error> tooLarge(const image::OciDescriptor& which) {
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "the signature " + ociText(which.digest) + " is too large");
  }
  // Registries say in several ways that they have no such thing, or do not know what is meant.
  Result<std::optional<Found>> optional(const std::string& path) {
    Document answer = TRY(registry_->document(path, {manifestAccept()}, limits::kOciManifestBytes));
    const long status = answer.response.status;
    if (status >= 400 && status < 500) return std::nullopt;
    if (status != 200) return badStatus(answer.response);
    return Found{std::move(answer.text),
                 std::string(answer.response.headers.find("content-type").value_or(""))};
  }
  Registry* registry_;
};

}  // namespace

Result<OciSource::Root> RegistrySource::root() {
  const std::string reference = digest_ ? ociText(*digest_) : tag_;
  TRY(events_->note("remote fetching from registry " + quoted(registries_.back().host())));
  return firstOf(registries_, *events_, [&](Registry& registry) -> Result<Root> {
    Document answer = TRY(
        registry.document("manifests/" + reference, {manifestAccept()}, limits::kOciManifestBytes));
    if (answer.response.status != 200) return badStatus(answer.response);
    // What the server says of the digest is no evidence: we hash (test F05).
    if (digest_) {
      TRY(checkBlob(answer.text, *digest_, answer.text.size(), "the manifest " + reference));
    }
    std::string type(answer.response.headers.find("content-type").value_or(""));
    return Root{.text = std::move(answer.text), .contentType = std::move(type), .name = {}};
  });
}

Result<std::string> RegistrySource::document(const image::OciDescriptor& which, std::size_t most,
                                             bool isManifest) {
  const std::string digest = ociText(which.digest);
  const std::string what = (isManifest ? "the manifest " : "the config ") + digest;
  if (which.size > most)
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  what + " is longer than " + std::to_string(most) + " bytes");
  const std::string path = (isManifest ? "manifests/" : "blobs/") + digest;
  std::vector<std::string> headers;
  if (isManifest) headers.push_back(manifestAccept());
  return firstOf(registries_, *events_, [&](Registry& registry) -> Result<std::string> {
    Document answer = TRY(registry.document(path, headers, most));
    if (answer.response.status != 200) return badStatus(answer.response);
    TRY(checkBlob(answer.text, which.digest, which.size, what));
    return std::move(answer.text);
  });
}

Result<std::vector<FoundAttachment>> RegistrySource::signatures(const OciDigest& digest) {
  if (!wantSigstore_) return std::vector<FoundAttachment>();
  // A mirror need not have them: the registry itself does.
  RegistryPlace place(registries_.back());
  return sigstoreSignatures(place, digest);
}

Result<void> RegistrySource::layers(std::span<LayerFile> wanted, LayerBoard& board) {
  return downloadLayers(registries_, wanted, board);
}

}  // namespace airlock::fetch
