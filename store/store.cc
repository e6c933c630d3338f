// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::store {

namespace {

constexpr std::size_t kRecordBytes = limits::kMessageBytes;

struct Folder {
  const char* name;
  mode_t mode;
};
constexpr Folder kFolders[] = {{"catalog", 0755}, {"manifest", 0755}, {"signature", 0755},
                               {"blob", 0700},    {"tree", 0700},     {"intent", 0700},
                               {"mnt", 0700}};

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

Result<void> checkVersion(FdRef top) {
  auto text = sys::readFile(top, name("VERSION"), 64);
  if (!text && text.error().kind() == ErrorKind::Missing) {
    return sys::replaceFile(top, name("VERSION"), std::to_string(kFormatVersion) + "\n", 0644);
  }
  if (!text) return std::unexpected(std::move(text.error()));
  // Version 1 is the first; a migration is a function from one number to the next, called here in
  // order.
  if (*text == std::to_string(kFormatVersion) + "\n") return {};
  return refuse(ErrorKind::Unsupported, "E_STORE",
                "the store has format " + text->substr(0, text->find('\n')) +
                    ", this engine knows " + std::to_string(kFormatVersion),
                "Use the newer engine that wrote it");
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
  return {{"blob", blobName(record.blob)},
          {"tree", treeName(record.tree)},
          {"manifest", catalogName(record.image)},
          {"signature", catalogName(record.image)}};
}

}  // namespace

Result<Store> Store::openForWriting(const std::string& directory) {
  const bool made = ::mkdir(directory.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) return failErrno("make " + directory);
  Fd top = TRY(sys::openPath(directory, O_RDONLY | O_DIRECTORY));
  if (made && ::fchmod(top.get(), 0755) != 0)
    return failErrno("chmod " + directory);  // whatever the umask was
  TRY(checkOwner(top, directory));
  TRY(checkVersion(top));
  Fd store = TRY(sys::ensureDirectory(top, name("store"), 0755));
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

Result<std::optional<ipc::CatalogRecord>> Store::find(const ImageName& wanted,
                                                      const std::vector<Label>& labels) const {
  std::optional<ipc::CatalogRecord> best;
  for (ipc::CatalogRecord& record : TRY(images())) {  // oldest first
    if (record.name == wanted && hasLabels(record.labels, labels)) best = std::move(record);
  }
  return best;
}

Result<ipc::CatalogRecord> Store::findByPrefix(std::string_view text) const {
  constexpr std::string_view scheme = "sha512-";
  if (!text.starts_with(scheme) || text.size() < scheme.size() + 2) {
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

Result<Fd> Store::openTree(const ipc::CatalogRecord& record) const {
  Fd trees = TRY(folder("tree"));
  return sys::openBeneath(trees, treeName(record.tree), O_RDONLY);
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

Result<void> Store::dropUnreferenced(const ipc::CatalogRecord& record) const {
  const std::vector<ipc::CatalogRecord> others = TRY(images());
  for (const FileOf& file : filesOf(record)) {
    const bool used = std::ranges::any_of(others, [&](const ipc::CatalogRecord& other) {
      return std::ranges::any_of(filesOf(other), [&](const FileOf& theirs) {
        return std::string_view(theirs.folder) == file.folder && theirs.name == file.name;
      });
    });
    if (used) continue;
    Fd dir = TRY(folder(file.folder));
    if (::unlinkat(dir.get(), file.name.c_str(), 0) != 0 && errno != ENOENT)
      return failErrno("remove a stored file");
  }
  return {};
}

Result<bool> Store::commit(Staged staged) {
  // Durable before visible: one sync for all of it, without holding anybody up.
  TRY(sys::syncFileSystem(staged.tree));
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
  TRY(place("blob", staged.blob, blobName(staged.record.blob)));
  fault("import-blob");
  TRY(place("tree", staged.tree, treeName(staged.record.tree)));
  TRY(place("manifest", staged.manifest, catalogName(staged.record.image)));
  if (staged.signature) {
    // The newest signature replaces an older one: it is the one that the record speaks of.
    Fd dir = TRY(folder("signature"));
    TRY(sys::replaceFile(dir, catalogName(staged.record.image),
                         TRY(sys::readAll(*staged.signature, limits::kSignatureBytes)), 0644));
  }
  fault("import-linked");

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

Result<Fd> Store::keepImages() const { return lock(LOCK_SH); }

namespace {

// A pod that runs has its images open; one that is prepared has them by name alone.
Result<void> checkUnused(const PodDirectory& pods, const ImageId& image) {
  for (const Pod& pod : TRY(pods.list())) {
    if (pod.state != PodState::Prepared && pod.state != PodState::Preparing) continue;
    if (std::ranges::find(pod.record.apps, image, &ipc::PodApp::image) == pod.record.apps.end())
      continue;
    return refuse(ErrorKind::Busy, "E_IN_USE",
                  "the prepared pod \"" + pod.record.pod.text() + "\" needs this image",
                  "Remove the pod first: airlock rm " + pod.record.pod.text());
  }
  return {};
}

}  // namespace

Result<void> Store::remove(const ipc::CatalogRecord& asked, const PodDirectory* pods) {
  Fd exclusive = TRY(lock(LOCK_EX));
  if (pods != nullptr) TRY(checkUnused(*pods, asked.image));
  // As it is now: another import may have changed it before we had the lock.
  const auto current = TRY(find(asked.image));
  if (!current) return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no such image in the store");
  const ipc::CatalogRecord& record = *current;
  const Component intent = podName(PodId::random());
  TRY(writeIntent(record, intent));
  fault("remove-intent");
  Fd catalog = TRY(folder("catalog"));
  TRY(sys::unlink(catalog, catalogName(record.image)));
  fault("remove-unlinked");
  TRY(dropUnreferenced(record));
  Fd intents = TRY(folder("intent"));
  return sys::unlink(intents, intent);
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
      if (!TRY(find(record->image))) TRY(dropUnreferenced(*record));
    }
    TRY(sys::unlink(intents, intent));
  }
  return {};
}

}  // namespace airlock::store
