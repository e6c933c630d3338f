// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "store/migrate.h"

namespace airlock::store {

namespace {

constexpr std::size_t kRecordBytes = limits::kMessageBytes;

struct Folder {
  const char* name;
  mode_t mode;
};
constexpr Folder kFolders[] = {{"catalog", 0755},   {"name", 0755}, {"manifest", 0755},
                               {"signature", 0755}, {"blob", 0700}, {"tree", 0700},
                               {"intent", 0700},    {"mnt", 0700}};

// C01: a store that somebody else can write is no store.
Result<void> checkOwner(FdRef dir, const std::string& path) {
  const struct stat info = TRY(sys::status(dir));
  if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return refuse(ErrorKind::Denied, "E_STORE",
                  path + " belongs to somebody else, or others can write it",
                  "Use another --dir, or give it to the user who runs this with mode 0755");
  }
  return {};
}

bool hasLabels(const std::vector<Label>& have, const std::vector<Label>& wanted) {
  return std::ranges::all_of(
      wanted, [&](const Label& label) { return std::ranges::find(have, label) != have.end(); });
}

// The name of a file in use by a record, folder by folder.
struct FileOf {
  const char* folder;
  Component name;
};
std::vector<FileOf> filesOf(const ipc::CatalogRecord& record) {
  std::vector<FileOf> files = {{"manifest", catalogName(record.image)},
                               {"signature", catalogName(record.image)}};
  const OciDigest* manifest = record.image.oci();
  if (manifest == nullptr) {
    files.push_back({"blob", blobName(record.blob)});
    files.push_back({"tree", treeName(record.tree)});
    return files;
  }
  files.push_back({"blob", ociBlobName(*manifest)});
  if (record.config) files.push_back({"blob", ociBlobName(*record.config)});
  if (record.index) files.push_back({"blob", ociBlobName(*record.index)});
  std::set<OciDigest> seen;  // an image may have a layer twice
  for (const ipc::StoredLayer& layer : record.layers) {
    if (!seen.insert(layer.blob).second) continue;
    files.push_back({"blob", ociBlobName(layer.blob)});
  }
  std::set<TreeDigest> trees;
  for (const ipc::StoredLayer& layer : record.layers) {
    if (!trees.insert(layer.tree).second) continue;
    files.push_back({"tree", treeName(layer.tree)});
  }
  return files;
}

using References = std::map<std::pair<std::string, std::string>, std::size_t>;
References referencesOf(const std::vector<ipc::CatalogRecord>& records) {
  References references;
  for (const ipc::CatalogRecord& record : records)
    for (const FileOf& file : filesOf(record)) ++references[{file.folder, file.name.text()}];
  return references;
}

// The files of a record that no other record refers to.
Result<void> takeFiles(const Store& store, const ipc::CatalogRecord& record,
                       const References& references) {
  for (const FileOf& file : filesOf(record)) {
    const auto used = references.find({file.folder, file.name.text()});
    if (used != references.end() && used->second > 0) continue;
    Fd dir = TRY(store.folder(file.folder));
    if (::unlinkat(dir.get(), file.name.c_str(), 0) != 0 && errno != ENOENT)
      return failErrno("remove a stored file");
  }
  return {};
}

}  // namespace

Result<Store> Store::openForWriting(const std::string& directory) {
  const bool made = ::mkdir(directory.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) return failErrno("make " + directory);
  Fd top = TRY(sys::openPath(directory, O_RDONLY | O_DIRECTORY));
  if (made && ::fchmod(top.get(), 0755) != 0)
    return failErrno("chmod " + directory);  // whatever the umask was
  TRY(checkOwner(top, directory));
  Fd store = TRY(sys::ensureDirectory(top, name("store"), 0755));
  TRY(migrate(top, store));
  TRY(sys::ensureDirectory(top, name("uid-ranges"), 0700));
  for (const Folder& folder : kFolders) {
    if (::mkdirat(store.get(), folder.name, folder.mode) != 0) {
      if (errno == EEXIST) continue;
      return failErrno(std::string("make ") + folder.name);
    }
    // Whatever the umask was: the catalog is for everyone to read.
    if (::fchmodat(store.get(), folder.name, folder.mode, 0) != 0) return failErrno("chmod");
  }
  if (::fchmod(store.get(), 0755) != 0) return failErrno("chmod store");
  Store opened(std::move(top), std::move(store));
  TRY(opened.repair());
  return opened;
}

Result<std::optional<Store>> Store::openForReading(const std::string& directory) {
  auto top = sys::openPath(directory, O_RDONLY | O_DIRECTORY);
  if (!top && top.error().kind() == ErrorKind::Missing) return std::optional<Store>();
  if (!top) return std::unexpected(std::move(top.error()));
  auto store = sys::openBeneath(*top, name("store"), O_RDONLY | O_DIRECTORY);
  if (!store && store.error().kind() == ErrorKind::Missing) return std::optional<Store>();
  if (!store) return std::unexpected(std::move(store.error()));
  TRY(checkReadable(*top));
  return std::optional(Store(*std::move(top), *std::move(store)));
}

Result<Fd> Store::folder(std::string_view folderName) const {
  return sys::openBeneath(store_, name(folderName), O_RDONLY | O_DIRECTORY);
}

Result<std::vector<ipc::CatalogRecord>> Store::images() const {
  Fd catalog = TRY(folder("catalog"));
  std::vector<ipc::CatalogRecord> records;
  for (const std::string& entry : TRY(sys::list(catalog))) {
    const auto id = ImageId::parse(entry);
    if (!id) continue;
    auto record = find(*id);
    if (record && *record) records.push_back(**std::move(record));
  }
  std::ranges::sort(records, {}, &ipc::CatalogRecord::importedAt);
  return records;
}

Result<std::optional<ipc::CatalogRecord>> Store::find(const ImageId& image) const {
  Fd catalog = TRY(folder("catalog"));
  auto bytes = sys::readFile(catalog, catalogName(image), kRecordBytes);
  if (!bytes && bytes.error().kind() == ErrorKind::Missing)
    return std::optional<ipc::CatalogRecord>();
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  ipc::CatalogRecord record = TRY(ipc::decodeCatalogRecord(*bytes));
  if (record.image != image)
    return refuse(ErrorKind::Invalid, "E_STORE", "catalog record under a wrong name");
  return std::optional(std::move(record));
}

Result<ipc::CatalogRecord> Store::require(const ImageId& image) const {
  auto record = TRY(find(image));
  if (!record) return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no such image in the store");
  return *std::move(record);
}

// By the index; a store that an older engine is still writing to may have images that are not in
// it.
Result<std::vector<ipc::CatalogRecord>> Store::named(const ImageName& wanted) const {
  std::vector<ipc::CatalogRecord> records;
  const auto index = folder("name");
  const auto entries =
      index ? sys::openBeneath(*index, nameKey(wanted), O_RDONLY | O_DIRECTORY) : folder("name");
  if (entries) {
    for (const std::string& entry : TRY(sys::list(*entries))) {
      const auto id = ImageId::parse(entry);
      if (!id) continue;
      auto record = find(*id);
      if (record && *record && (*record)->name == wanted) records.push_back(**std::move(record));
    }
  }
  if (records.empty()) {
    for (ipc::CatalogRecord& record : TRY(images()))
      if (record.name == wanted) records.push_back(std::move(record));
  }
  std::ranges::sort(records, {}, &ipc::CatalogRecord::importedAt);
  return records;
}

Result<std::optional<ipc::CatalogRecord>> Store::find(const ImageName& wanted,
                                                      const std::vector<Label>& labels) const {
  std::optional<ipc::CatalogRecord> best;
  const bool anyVersion = labelValue(labels, "version").empty();
  for (ipc::CatalogRecord& record : TRY(named(wanted))) {  // oldest first
    if (!hasLabels(record.labels, labels)) continue;
    if (anyVersion && best && best->latest && !record.latest) continue;
    best = std::move(record);
  }
  return best;
}

Result<ipc::CatalogRecord> Store::findByPrefix(std::string_view text) const {
  constexpr std::size_t scheme = std::string_view("sha512-").size();
  if ((!text.starts_with("sha512-") && !text.starts_with("sha256-")) || text.size() < scheme + 2) {
    return refuse(ErrorKind::Invalid, "E_DIGEST", "image ID too short or not of the form sha512-…");
  }
  Fd catalog = TRY(folder("catalog"));
  std::optional<ImageId> found;
  for (const std::string& entry : TRY(sys::list(catalog))) {
    if (!entry.starts_with(text)) continue;
    if (found)
      return refuse(ErrorKind::Invalid, "E_AMBIGUOUS",
                    "ambiguous image ID: \"" + std::string(text) + "\"");
    found = TRY(ImageId::parse(entry));
  }
  if (found) {
    if (auto record = TRY(find(*found))) return *std::move(record);
  }
  return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                "no image IDs found for \"" + std::string(text) + "\"");
}

Result<std::string> Store::manifest(const ipc::CatalogRecord& record) const {
  Fd manifests = TRY(folder("manifest"));
  std::string bytes =
      TRY(sys::readFile(manifests, catalogName(record.image), limits::kManifestBytes));
  if (digestOf(bytes) != record.manifest) {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  "the stored manifest is not the one that was imported",
                  "Remove the image and fetch it again");
  }
  return bytes;
}

Result<Fd> Store::openTree(const TreeDigest& tree) const {
  Fd trees = TRY(folder("tree"));
  return sys::openBeneath(trees, treeName(tree), O_RDONLY);
}

Result<std::vector<Fd>> Store::openTrees(const ipc::CatalogRecord& record) const {
  std::vector<Fd> trees;
  for (const ipc::StoredTree& tree : ipc::treesOf(record))
    trees.push_back(TRY(openTree(tree.digest)));
  return trees;
}

Result<std::vector<Fd>> Store::openFiles(const ipc::CatalogRecord& record) const {
  std::vector<Fd> files;
  const OciDigest* manifest = record.image.oci();
  if (manifest == nullptr) {
    files.push_back(TRY(openBlob(record)));
    return files;
  }
  files.push_back(TRY(openOciBlob(*manifest)));
  files.push_back(TRY(openOciBlob(*record.config)));
  if (record.index) files.push_back(TRY(openOciBlob(*record.index)));
  for (const ipc::StoredLayer& layer : record.layers) files.push_back(TRY(openOciBlob(layer.blob)));
  return files;
}

Result<Fd> Store::openOciBlob(const OciDigest& blob) const {
  Fd blobs = TRY(folder("blob"));
  return sys::openBeneath(blobs, ociBlobName(blob), O_RDONLY);
}

// One that hangs on its place is the same above the same layers.
Result<std::vector<std::optional<ipc::StoredLayer>>> Store::findLayers(
    std::span<const OciDigest> layers) const {
  std::vector<std::optional<ipc::StoredLayer>> found(layers.size());
  for (const ipc::CatalogRecord& record : TRY(images())) {
    bool sameBelow = true;
    for (std::size_t at = 0; at < record.layers.size(); ++at) {
      const ipc::StoredLayer& stored = record.layers[at];
      sameBelow = sameBelow && at < layers.size() && layers[at] == stored.blob;
      for (std::size_t i = 0; i < layers.size(); ++i) {
        const bool fits = !stored.hangsOnPlace || (sameBelow && i == at);
        if (!found[i] && layers[i] == stored.blob && fits) found[i] = stored;
      }
    }
  }
  return found;
}

Result<Fd> Store::openBlob(const ipc::CatalogRecord& record) const {
  Fd blobs = TRY(folder("blob"));
  return sys::openBeneath(blobs, blobName(record.blob), O_RDONLY);
}

Result<Fd> Store::lock(int operation) const {
  Fd file = TRY(sys::openBeneath(store_, name("lock"), O_RDWR | O_CREAT, 0600));
  while (::flock(file.get(), operation) != 0) {
    if (errno != EINTR) return failErrno("lock the store");
  }
  return file;
}

Result<void> Store::writeIntent(const ipc::CatalogRecord& record, const Component& intent) const {
  Fd intents = TRY(folder("intent"));
  return sys::replaceFile(intents, intent, TRY(ipc::encode(record)), 0600);
}

Result<void> Store::indexName(const ipc::CatalogRecord& record) const {
  return indexImage(TRY(folder("name")), record);
}

// What is left in the index of an image that is gone is read past.
void Store::dropName(const ipc::CatalogRecord& record) const {
  const auto index = folder("name");
  const Component key = nameKey(record.name);
  const auto entries =
      index ? sys::openBeneath(*index, key, O_RDONLY | O_DIRECTORY) : folder("name");
  if (!entries) return;
  static_cast<void>(sys::unlink(*entries, catalogName(record.image)));
  static_cast<void>(::unlinkat(index->get(), key.c_str(), AT_REMOVEDIR));  // the last one's
}

Result<void> Store::dropUnreferenced(const ipc::CatalogRecord& record) const {
  return takeFiles(*this, record, referencesOf(TRY(images())));
}

// Layers that were there before the import are held by nobody until its record is.
Result<void> Store::requireFiles(const ipc::CatalogRecord& record) const {
  for (const FileOf& file : filesOf(record)) {
    if (std::string_view(file.folder) == "signature") continue;
    Fd dir = TRY(folder(file.folder));
    if (::faccessat(dir.get(), file.name.c_str(), F_OK, 0) == 0) continue;
    return refuse(ErrorKind::Busy, "E_BUSY",
                  "a layer of the image was removed while the image was imported",
                  "Try again: nothing was kept");
  }
  return {};
}

Result<bool> Store::commit(Staged staged) {
  // Durable before visible: one sync for all of it, without holding anybody up.
  TRY(sys::syncFileSystem(store_));
  fault("import-synced");
  Fd shared = TRY(lock(LOCK_SH));
  const Component intent = podName(PodId::random());
  TRY(writeIntent(staged.record, intent));
  fault("import-intent");

  const auto place = [&](const char* where, FdRef file, const Component& as) -> Result<void> {
    Fd dir = TRY(folder(where));
    if (TRY(sys::linkTemporary(file, dir, as))) return {};
    // One that is there already should be the same; what was verified just now takes its place, in
    // case that its disk or its fs-verity has been lost.
    const Component beside = TRY(Component::parse("." + intent.text()));
    TRY(sys::linkTemporary(file, dir, beside));
    return sys::rename(dir, beside, dir, as, 0);
  };
  for (const Staged::File& each : staged.files) {
    TRY(place(each.folder, each.file, each.name));
    fault("import-blob");
  }
  TRY(requireFiles(staged.record));
  if (staged.signature) {
    // The newest signature replaces an older one: it is the one that the record speaks of.
    Fd dir = TRY(folder("signature"));
    TRY(sys::replaceFile(dir, catalogName(staged.record.image),
                         TRY(sys::readAll(*staged.signature, limits::kSealedBytes)), 0644));
  }
  fault("import-linked");

  TRY(indexName(staged.record));
  fault("import-indexed");
  Fd catalog = TRY(folder("catalog"));
  const auto before = TRY(find(staged.record.image));
  const bool existed = before.has_value();
  // Who imports what is there already must not be able to remove it from others.
  if (existed && staged.record.importerUid != 0) staged.record.importerUid = before->importerUid;
  // The commit point: the record appears, whole, by one rename.
  TRY(sys::replaceFile(catalog, catalogName(staged.record.image), TRY(ipc::encode(staged.record)),
                       0644));
  fault("import-recorded");
  Fd intents = TRY(folder("intent"));
  TRY(sys::unlink(intents, intent));
  TRY(sys::sync(catalog));
  return !existed;
}

Result<Store::Removal> Store::beginRemoval() const {
  Removal removal(*this, TRY(lock(LOCK_EX)));
  removal.references_ = referencesOf(TRY(images()));
  return removal;
}

Result<void> Store::Removal::take(const ImageId& image) {
  // As it is now: another import may have changed it before we had the lock.
  const ipc::CatalogRecord record = TRY(store_.require(image));
  const Component intent = podName(PodId::random());
  TRY(store_.writeIntent(record, intent));
  fault("remove-intent");
  Fd catalog = TRY(store_.folder("catalog"));
  TRY(sys::unlink(catalog, catalogName(image)));
  fault("remove-unlinked");
  for (const FileOf& file : filesOf(record)) --references_[{file.folder, file.name.text()}];
  TRY(takeFiles(store_, record, references_));
  store_.dropName(record);
  Fd intents = TRY(store_.folder("intent"));
  return sys::unlink(intents, intent);
}

Result<void> Store::remove(const ipc::CatalogRecord& record) const {
  Removal removal = TRY(beginRemoval());
  return removal.take(record.image);
}

std::int64_t Store::lastUsed(const ipc::CatalogRecord& record) const {
  struct stat info {};
  const auto catalog = folder("catalog");
  if (!catalog || ::fstatat(catalog->get(), catalogName(record.image).c_str(), &info, 0) != 0)
    return record.importedAt;
  constexpr std::int64_t second = 1'000'000'000;
  return std::max(record.importedAt, info.st_mtim.tv_sec * second + info.st_mtim.tv_nsec);
}

void Store::noteUse(const ipc::CatalogRecord& record) const {
  const auto catalog = folder("catalog");
  if (!catalog) return;
  const auto touch = [&](const ImageId& image) {
    static_cast<void>(::utimensat(catalog->get(), catalogName(image).c_str(), nullptr, 0));
  };
  touch(record.image);
  for (const ipc::Dependency& dependency : record.dependencies) touch(dependency.image);
}

Result<void> Store::repair() {
  Fd intents = TRY(folder("intent"));
  if (TRY(sys::list(intents)).empty()) return {};
  // Whoever holds the lock shared is committing, and its intent is alive.  Nobody holds it: every
  // intent is a dead one.
  auto exclusive = lock(LOCK_EX | LOCK_NB);
  if (!exclusive) return {};
  for (const std::string& entry : TRY(sys::list(intents))) {
    const Component intent = TRY(Component::parse(entry));
    for (const char* where : {"blob", "tree", "manifest"}) {
      const Fd dir = TRY(folder(where));
      static_cast<void>(sys::unlink(dir, TRY(Component::parse("." + entry))));
    }
    const std::string bytes = TRY(sys::readFile(intents, intent, kRecordBytes));
    if (const auto record = ipc::decodeCatalogRecord(bytes)) {
      if (!TRY(find(record->image))) {
        TRY(dropUnreferenced(*record));
        dropName(*record);
      }
    }
    TRY(sys::unlink(intents, intent));
  }
  return {};
}

}  // namespace airlock::store
