// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/archive_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::fetch {
namespace {

struct ArchiveDeleter {
  void operator()(archive* reader) const { ::archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, ArchiveDeleter>;

std::unexpected<Error> broken(archive* reader) {
  const char* text = ::archive_error_string(reader);
  return refuse(ErrorKind::Invalid, "E_ARCHIVE",
                "the archive cannot be read: " + printable(text != nullptr ? text : "no reason"));
}

Result<Reader> openArchive(int file) {
  if (::lseek(file, 0, SEEK_SET) != 0) return failErrno("go to the beginning of the archive");
  Reader reader(::archive_read_new());
  if (!reader) return fail(ErrorKind::Failed, "no memory for an archive");
  ::archive_read_support_filter_gzip(reader.get());
  ::archive_read_support_filter_zstd(reader.get());
  ::archive_read_support_format_tar(reader.get());
  if (::archive_read_open_fd(reader.get(), file, limits::kInflateBuffer) != ARCHIVE_OK)
    return broken(reader.get());
  return reader;
}

// "./a//b" is "a/b"; "" for what leads out.
std::string plainPath(const char* name) {
  if (name == nullptr || *name == '\0') return "";
  const std::string path = std::filesystem::path(name).lexically_normal().relative_path().string();
  return path.starts_with("..") ? "" : path;
}

// Calls visit(path, entry) -> Result<bool> for each entry until it says false.
template <class Visit>
Result<void> eachEntry(int file, Visit visit) {
  const Reader reader = TRY(openArchive(file));
  for (std::size_t count = 0;; ++count) {
    if (count == limits::kArchiveEntries)
      return refuse(ErrorKind::Invalid, "E_LIMIT", "the archive has too many entries");
    archive_entry* entry = nullptr;
    const int code = ::archive_read_next_header(reader.get(), &entry);
    if (code == ARCHIVE_EOF) return {};
    if (code < ARCHIVE_WARN) return broken(reader.get());
    if (!TRY(visit(plainPath(::archive_entry_pathname(entry)), entry, reader.get()))) return {};
  }
}

Result<void> copyOut(archive* reader, const std::vector<const FileWish*>& wishes) {
  std::vector<char> buffer(limits::kInflateBuffer);
  for (;;) {
    const la_ssize_t got = ::archive_read_data(reader, buffer.data(), buffer.size());
    if (got < 0) return broken(reader);
    if (got == 0) break;
    for (const FileWish* wish : wishes)
      TRY(wish->take({buffer.data(), static_cast<std::size_t>(got)}));
  }
  for (const FileWish* wish : wishes) TRY(wish->finish());
  return {};
}

}  // namespace

Result<void> ArchiveFiles::readLinks() {
  if (std::exchange(linksRead_, true)) return {};
  return eachEntry(file_, [&](std::string path, archive_entry* entry, archive*) -> Result<bool> {
    const char* hard = ::archive_entry_hardlink(entry);
    const char* soft = ::archive_entry_symlink(entry);
    if (path.empty() || (hard == nullptr && soft == nullptr)) return true;
    const std::string to =
        hard != nullptr ? plainPath(hard)
                        : plainPath((std::filesystem::path(path).parent_path() / soft).c_str());
    if (!to.empty()) links_.emplace(std::move(path), to);
    return true;
  });
}

std::string ArchiveFiles::target(const std::string& path) const {
  const auto link = links_.find(path);
  return link == links_.end() ? path : link->second;
}

Result<void> ArchiveFiles::stream(std::span<const FileWish> wishes) {
  TRY(readLinks());
  std::map<std::string, std::vector<const FileWish*>> open;
  for (const FileWish& wish : wishes) open[target(wish.path)].push_back(&wish);
  TRY(eachEntry(
      file_, [&](const std::string& path, archive_entry* entry, archive* reader) -> Result<bool> {
        const auto wanted = open.find(path);
        const bool regular = ::archive_entry_filetype(entry) == AE_IFREG &&
                             ::archive_entry_hardlink(entry) == nullptr;
        if (wanted == open.end() || !regular) return true;
        TRY(copyOut(reader, wanted->second));
        open.erase(wanted);
        return !open.empty();
      }));
  if (open.empty()) return {};
  return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                "the archive has no file " + airlock::quoted(open.begin()->first));
}

Result<std::string> ArchiveFiles::read(const std::string& path, std::size_t most) {
  std::string text;
  const FileWish wish{.path = path,
                      .take = [&](std::string_view bytes) -> Result<void> {
                        if (bytes.size() > most - text.size()) {
                          return refuse(ErrorKind::Invalid, "E_LIMIT",
                                        airlock::quoted(path) + " of the archive is longer than " +
                                            std::to_string(most) + " bytes");
                        }
                        text += bytes;
                        return {};
                      },
                      .finish = [] { return Result<void>(); }};
  TRY(stream({&wish, 1}));
  return text;
}

}  // namespace airlock::fetch
