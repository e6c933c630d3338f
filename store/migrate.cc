// SPDX-License-Identifier: Apache-2.0
#include "store/migrate.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/accounts.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

constexpr std::size_t kVersionBytes = 64;

// None: a new store.
Result<std::optional<int>> formatOf(FdRef top) {
  const auto text = sys::readFile(top, name("VERSION"), kVersionBytes);
  if (!text && text.error().kind() == ErrorKind::Missing) return std::optional<int>();
  if (!text) return std::unexpected(text.error());
  const std::string_view digits = std::string_view(*text).substr(0, text->find('\n'));
  const auto number = parseNumber(digits);
  if (!number || *number < unsigned{kOldestFormat} || *number > unsigned{kFormatVersion} ||
      *text != std::to_string(*number) + "\n") {
    return refuse(ErrorKind::Unsupported, "E_STORE",
                  "the store has format " + printable(digits) + ", this engine knows " +
                      std::to_string(kFormatVersion),
                  "Use the newer engine that wrote it");
  }
  return static_cast<int>(*number);
}

// 1 to 2: an index by name, so that finding an image takes no longer in a store of many.  Records
// may name dependencies from here on, which an engine of format 1 would not look at when it starts
// them.
Result<void> addNameIndex(FdRef store) {
  const Fd index = TRY(sys::ensureDirectory(store, name("name"), 0755));
  if (::fchmod(index.get(), 0755) != 0) return failErrno("chmod");
  auto catalog = sys::openBeneath(store, name("catalog"), O_RDONLY | O_DIRECTORY);
  if (!catalog && catalog.error().kind() == ErrorKind::Missing) return {};  // nothing in it yet
  if (!catalog) return std::unexpected(std::move(catalog.error()));
  for (const std::string& entry : TRY(sys::list(*catalog))) {
    const auto id = ImageId::parse(entry);
    if (!id) continue;
    const std::string bytes = TRY(sys::readFile(*catalog, catalogName(*id), limits::kMessageBytes));
    // One that does not decode was no image before, and is none now.
    if (const auto record = ipc::decodeCatalogRecord(bytes)) TRY(indexImage(index, *record));
    fault("migrate-indexed");
  }
  return {};
}

struct Migration {
  int from;
  Result<void> (*step)(FdRef store);
};

// 2 to 3: nothing of what is there changes.  OCI images may come, which an engine of format 2 would
// not know how to mount, and of whose layers it would not know that they are used.
Result<void> admitOciImages(FdRef) { return {}; }

constexpr Migration kMigrations[] = {{1, addNameIndex}, {2, admitOciImages}};

}  // namespace

Result<void> indexImage(FdRef index, const ipc::CatalogRecord& record) {
  const Fd entries = TRY(sys::ensureDirectory(index, nameKey(record.name), 0755));
  if (::fchmod(entries.get(), 0755) != 0) return failErrno("chmod");  // whatever the umask was
  TRY(sys::openBeneath(entries, catalogName(record.image), O_WRONLY | O_CREAT, 0644));
  return {};
}

Result<void> checkReadable(FdRef top) {
  TRY(formatOf(top));
  return {};
}

Result<void> migrate(FdRef top, FdRef store) {
  auto format = TRY(formatOf(top));
  if (format == kFormatVersion) return {};
  // Whoever commits or removes has finished, and of several that migrate one does it.
  const Fd lock = TRY(sys::openBeneath(store, name("lock"), O_RDWR | O_CREAT, 0600));
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failErrno("lock the store");
  }
  format = TRY(formatOf(top));
  for (const Migration& migration : kMigrations) {
    if (format && *format <= migration.from) TRY(migration.step(store));
  }
  TRY(sys::syncFileSystem(store));
  fault("migrate-synced");
  TRY(sys::replaceFile(top, name("VERSION"), std::to_string(kFormatVersion) + "\n", 0644));
  return sys::sync(top);
}

}  // namespace airlock::store
