// SPDX-License-Identifier: Apache-2.0
#include "cli/oci_download.h"

#include <fcntl.h>

#include <algorithm>
#include <list>
#include <map>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/download_cache.h"
#include "cli/fetch_client.h"
#include "cli/fetch_process.h"
#include "cli/own_paths.h"
#include "cli/registry_access.h"

namespace airlock::cli {

namespace {

constexpr std::string_view kFileUrl = "file://";
constexpr std::size_t kMostDocuments =
    2 * limits::kOciManifestBytes + limits::kOciConfigBytes +
    limits::kOciAttachments * (limits::kOciAttachmentBytes + limits::kOciAnnotationBytes);

std::unexpected<Error> hostile(std::string what) {
  return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher " + std::move(what));
}

// A job and what goes with it, in the order of FetchOciJob.
struct Order {
  ipc::FetchOciJob job;
  std::optional<Fd> archive;
  std::optional<Fd> bundle;
  std::vector<Fd> certificates;

  // What files are asked for of.
  Fd layout;
  std::vector<Fd> lookasides;

  std::vector<FdRef> descriptors(FdRef documents) const {
    std::vector<FdRef> all = {documents};
    const auto add = [&](const std::vector<Fd>& some) {
      all.insert(all.end(), some.begin(), some.end());
    };
    if (archive) all.push_back(*archive);
    if (bundle) all.push_back(*bundle);
    add(certificates);
    return all;
  }
};

// Directories are opened here, as the caller; a missing one has no signatures in it.
Result<void> addLookasides(Order& order, const std::vector<std::string>& urls) {
  for (const std::string& url : urls) {
    if (!url.starts_with(kFileUrl)) {
      order.job.lookasides.push_back(url);
      continue;
    }
    auto directory = sys::openPath(url.substr(kFileUrl.size()), O_RDONLY | O_DIRECTORY);
    if (!directory && directory.error().kind() == ErrorKind::Missing) continue;
    if (!directory) return fail(Error(directory.error()).in("signatures in " + printable(url)));
    order.lookasides.push_back(std::move(*directory));
  }
  if (order.job.lookasides.size() > limits::kOciLookasides ||
      order.lookasides.size() > limits::kOciLookasides) {
    return refuse(ErrorKind::Invalid, "E_CONFIG", "signatures lie in too many places",
                  "name fewer lookasides in registries.d");
  }
  order.job.lookasideDirectories = static_cast<std::uint8_t>(order.lookasides.size());
  return {};
}

Result<Order> commonOrder(const Options& options, const OciWish& wish) {
  Order order;
  order.job.options = TRY(fetchOptions(options));
  order.job.platform = {wish.platform.os, wish.platform.architecture, wish.platform.variant};
  order.job.knownDigest = wish.known;
  order.bundle = TRY(callersBundle());
  order.job.hasCaBundle = order.bundle.has_value();
  return order;
}

// What is known of a registry's own endpoints comes before what is configured for any host.
void addCredentials(std::vector<ipc::Credential>& all, std::vector<ipc::Credential> own) {
  for (const ipc::Credential& configured : all) {
    const bool known = std::ranges::find(own, configured.host, &ipc::Credential::host) != own.end();
    if (!known && own.size() < limits::kCredentials) own.push_back(configured);
  }
  all = std::move(own);
}

Result<Order> orderFor(const Options& options, const image::RegistryImage& image,
                       const OciWish& wish) {
  Order order = TRY(commonOrder(options, wish));
  RegistryAccess access = TRY(registryAccess(options, image.repository));
  order.job.origin = ipc::FromRegistry{std::move(access.endpoints)};
  order.certificates = std::move(access.certificates);
  addCredentials(order.job.options.credentials, std::move(access.credentials));
  order.job.tag = image.tag;
  order.job.digest = image.digest;
  order.job.wantSigstore = wish.sigstore;
  order.job.requestedName = image.repository.path;
  std::vector<std::string> lookasides = wish.lookasides;
  for (std::string& url : access.lookasides) {
    if (std::ranges::find(lookasides, url) == lookasides.end())
      lookasides.push_back(std::move(url));
  }
  TRY(addLookasides(order, lookasides));
  return order;
}

Result<Fd> openLocal(const std::string& path, int flags) {
  auto opened = sys::openPath(path, O_RDONLY | flags);
  if (opened) return opened;
  return refuse(opened.error().kind(), "E_NOT_FOUND",
                "open " + printable(path) + ": " + opened.error().message());
}

Result<Order> orderFor(const Options& options, const image::LocalOciImage& image,
                       const OciWish& wish) {
  Order order = TRY(commonOrder(options, wish));
  // It is asked for nothing on the network.
  order.job.options.credentials.clear();
  order.job.tag = image.reference;
  order.job.wantSigstore = wish.sigstore;
  switch (image.kind) {
    case image::LocalOciImage::Kind::Layout:
      order.job.origin = ipc::FromLayout{};
      order.layout = TRY(openLocal(image.path, O_DIRECTORY));
      break;
    case image::LocalOciImage::Kind::OciArchive:
      order.job.origin = ipc::FromOciArchive{};
      order.archive = TRY(openLocal(image.path, O_NONBLOCK));
      break;
    case image::LocalOciImage::Kind::DockerArchive:
      order.job.origin = ipc::FromDockerArchive{};
      order.archive = TRY(openLocal(image.path, O_NONBLOCK));
      break;
  }
  return order;
}

// Cuts the documents out of the file that the fetcher filled, one after the other.
class Cutter {
 public:
  explicit Cutter(std::string_view text) : rest_(text) {}
  Result<std::string> next(std::uint64_t bytes) {
    if (bytes > rest_.size()) return hostile("names more bytes of documents than it wrote");
    std::string part(rest_.substr(0, static_cast<std::size_t>(bytes)));
    rest_.remove_prefix(static_cast<std::size_t>(bytes));
    return part;
  }
  Result<void> end() const {
    if (rest_.empty()) return {};
    return hostile("wrote more bytes of documents than it names");
  }

 private:
  std::string_view rest_;
};

Result<OciDocuments> cut(ipc::OciDocuments said, FdRef file) {
  const std::string text = TRY(sys::readAll(file, kMostDocuments));
  Cutter cutter(text);
  OciDocuments documents{
      .manifestDigest = said.manifestDigest,
      .indexDigest = said.indexDigest,
      .mediaType = std::move(said.mediaType),
      .index = TRY(cutter.next(said.indexBytes)),
      .manifest = TRY(cutter.next(said.manifestBytes)),
      .config = TRY(cutter.next(said.configBytes)),
      .attachments = {},
      .layers = std::move(said.layers),
      .platform = {said.platform.os, said.platform.architecture, said.platform.variant},
      .sourceName = std::move(said.sourceName)};
  for (const ipc::OciAttachment& one : said.attachments) {
    OciAttachment attachment{
        .kind = one.kind, .ofIndex = one.ofIndex, .content = {}, .annotations = {}};
    attachment.content = TRY(cutter.next(one.bytes));
    attachment.annotations = TRY(cutter.next(one.annotationBytes));
    documents.attachments.push_back(std::move(attachment));
  }
  TRY(cutter.end());
  return documents;
}

// A layer's place in the cache, and where in the image it stands: more than once when the image
// has it twice.
struct WantedLayer {
  Download download;
  std::vector<std::size_t> indices;
};

// The name of what is wanted, and the directory that it is below of.
Result<std::pair<FdRef, std::string>> placeOf(const Order& order,
                                              const ipc::OciFileWanted& wanted) {
  if (const auto* signature = std::get_if<ipc::SimpleSignatureFile>(&wanted.file)) {
    if (signature->place >= order.lookasides.size())
      return hostile("asks for a directory that there is not");
    return std::pair(order.lookasides[signature->place].ref(),
                     order.job.requestedName + "@sha256=" + signature->digest.hex() +
                         "/signature-" + std::to_string(signature->number));
  }
  if (!order.layout.valid()) return hostile("asks for files of a layout that there is not");
  std::string name = "index.json";
  if (std::holds_alternative<ipc::LayoutVersionFile>(wanted.file)) name = "oci-layout";
  if (const auto* blob = std::get_if<ipc::LayoutBlob>(&wanted.file))
    name = "blobs/sha256/" + blob->digest.hex();
  return std::pair(order.layout.ref(), std::move(name));
}

// A regular file below it, over no link: the fetcher can make this process, which may be root's,
// open what is named so in the directory that its user has named, and nothing else.
Result<Fd> openWanted(const Order& order, const ipc::OciFileWanted& wanted) {
  const auto [directory, name] = TRY(placeOf(order, wanted));
  const BeneathPath path = TRY(BeneathPath::parse(name));
  // O_NONBLOCK: a FIFO would keep us waiting.
  Fd file = TRY(sys::openBeneath(directory, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW));
  if (!S_ISREG(TRY(sys::status(file)).st_mode))
    return refuse(ErrorKind::Invalid, "E_PATH", printable(name) + " is no regular file");
  return file;
}

}  // namespace

struct OciDownload::State {
  FetchProcess process;
  Order order;
  Fd documentsFile;
  Fd cache;
  std::vector<ipc::OciLayer> layers;

  Result<ipc::FetchEvent> next();
  Result<void> offer(const ipc::OciFileWanted& wanted);
  Result<std::list<WantedLayer>> open(std::span<const std::size_t> wanted);
  Result<void> request(const std::list<WantedLayer>& wanted);
  Result<void> receive(std::list<WantedLayer>& wanted, const OnLayer& onLayer);
};

// An error ends the process, too.
Result<ipc::FetchEvent> OciDownload::State::next() {
  std::string nothing;
  for (;;) {
    auto event = process.next({}, nothing);
    if (!event) return endedSilently(TRY(process.end()), std::move(event.error()));
    const auto* wanted = std::get_if<ipc::OciFileWanted>(&*event);
    if (wanted == nullptr) return event;
    TRY(offer(*wanted));
  }
}

Result<void> OciDownload::State::offer(const ipc::OciFileWanted& wanted) {
  const auto file = openWanted(order, wanted);
  ipc::OfferedFile offered;
  if (!file) offered.failure = ipc::Failure{file.error()};
  const std::string bytes = TRY(ipc::encode(offered));
  if (!file) return process.send(bytes, {});
  const FdRef fd = *file;
  return process.send(bytes, {&fd, 1});
}

// In the order of their digests: two commands that want the same layers do not wait for each other
// in a circle.
Result<std::list<WantedLayer>> OciDownload::State::open(std::span<const std::size_t> wanted) {
  std::map<OciDigest, std::vector<std::size_t>> places;
  for (const std::size_t index : wanted) {
    if (index >= layers.size())
      return fail(ErrorKind::Failed, "a layer is wanted that the image does not have");
    places[layers[index].digest].push_back(index);
  }
  std::list<WantedLayer> opened;
  for (auto& [digest, indices] : places) {
    const std::string name = ociText(digest);
    Download download = TRY(Download::open(cache, name));
    opened.push_back({std::move(download), std::move(indices)});
  }
  // The lowest first, as unpacking wants them.
  opened.sort([](const WantedLayer& one, const WantedLayer& other) {
    return one.indices.front() < other.indices.front();
  });
  return opened;
}

Result<void> OciDownload::State::request(const std::list<WantedLayer>& wanted) {
  auto next = wanted.begin();
  do {
    ipc::FetchLayers message;
    std::vector<FdRef> files;
    for (; next != wanted.end() && files.size() < limits::kMessageDescriptors; ++next) {
      const auto& part = next->download.part();
      message.layers.push_back({.index = static_cast<std::uint32_t>(next->indices.front()),
                                .resumeFrom = part ? part->bytes : 0});
      files.push_back(next->download.file());
    }
    message.last = next == wanted.end();
    TRY(process.send(TRY(ipc::encode(message)), files));
  } while (next != wanted.end());
  return {};
}

Result<void> OciDownload::State::receive(std::list<WantedLayer>& wanted, const OnLayer& onLayer) {
  for (;;) {
    const ipc::FetchEvent event = TRY(next());
    if (std::holds_alternative<ipc::OciDone>(event)) break;
    const auto* done = std::get_if<ipc::OciLayerDone>(&event);
    if (done == nullptr) return hostile("answered another question");
    const auto layer = std::ranges::find_if(
        wanted, [&](const WantedLayer& one) { return one.indices.front() == done->index; });
    if (layer == wanted.end()) return hostile("brought a layer that was not wanted, or twice");
    for (const std::size_t index : layer->indices)
      TRY(onLayer(index, TRY(sys::reopen(layer->download.file(), O_RDONLY))));
    wanted.erase(layer);  // and the file goes from the cache
  }
  if (!wanted.empty()) return hostile("ended before all layers had come");
  return {};
}

OciDownload::OciDownload(std::unique_ptr<State> state) : state_(std::move(state)) {}
OciDownload::OciDownload(OciDownload&&) noexcept = default;
OciDownload::~OciDownload() = default;

namespace {

Result<std::pair<FetchProcess, Fd>> begin(const Order& order) {
  Fd documents = TRY(memoryFile("documents"));
  const std::vector<FdRef> fds = order.descriptors(documents);
  if (fds.size() > limits::kMessageDescriptors) {
    return refuse(ErrorKind::Invalid, "E_CONFIG", "too many certificates and places of signatures",
                  "name fewer mirrors and lookasides in registries.d");
  }
  FetchProcess process = TRY(FetchProcess::start(order.job, fds));
  return std::pair(std::move(process), std::move(documents));
}

}  // namespace

Result<OciDownload> OciDownload::start(const Options& options, const image::RegistryImage& image,
                                       const OciWish& wish) {
  Order order = TRY(orderFor(options, image, wish));
  Fd cache = TRY(openCache(options));
  auto [process, documents] = TRY(begin(order));
  return OciDownload(std::make_unique<State>(
      State{std::move(process), std::move(order), std::move(documents), std::move(cache), {}}));
}

Result<OciDownload> OciDownload::start(const Options& options, const image::LocalOciImage& image,
                                       const OciWish& wish) {
  Order order = TRY(orderFor(options, image, wish));
  Fd cache = TRY(openCache(options));
  auto [process, documents] = TRY(begin(order));
  return OciDownload(std::make_unique<State>(
      State{std::move(process), std::move(order), std::move(documents), std::move(cache), {}}));
}

Result<std::variant<OciDownload::Unchanged, OciDocuments>> OciDownload::documents() {
  ipc::FetchEvent event = TRY(state_->next());
  if (const auto* unchanged = std::get_if<ipc::OciUnchanged>(&event)) {
    TRY(state_->process.end());
    return *unchanged;
  }
  auto* said = std::get_if<ipc::OciDocuments>(&event);
  if (said == nullptr) return hostile("answered another question");
  state_->layers = said->layers;
  return TRY(cut(std::move(*said), state_->documentsFile));
}

Result<void> OciDownload::layers(std::span<const std::size_t> wanted, const OnLayer& onLayer) {
  std::list<WantedLayer> opened = TRY(state_->open(wanted));
  for (WantedLayer& layer : opened) {
    const std::string name = ociText(state_->layers[layer.indices.front()].digest);
    TRY(layer.download.begin({.url = name, .tag = name}));
  }
  TRY(state_->request(opened));
  const Result<void> received = state_->receive(opened, onLayer);
  if (!received) {
    for (WantedLayer& layer : opened) layer.download.keep();
    return received;
  }
  TRY(state_->process.end());
  return {};
}

}  // namespace airlock::cli
