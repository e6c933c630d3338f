// SPDX-License-Identifier: Apache-2.0
#include "verifier/archive_reader.h"

#include "base/log.h"
#include "verifier/archive_entry.h"

namespace airlock::verifier {

namespace {

// Both readers of the archive must have seen the same entry; otherwise one of them was led astray.
Result<void> compareReaders(archive* reader, archive_entry* entry, const GatedEntry& seen) {
  const char* hardLink = archive_entry_hardlink(entry);
  const auto type = archive_entry_filetype(entry);
  bool same = archive_read_header_position(reader) == static_cast<la_int64_t>(seen.position) &&
              static_cast<std::uint64_t>(archive_entry_size(entry)) == seen.size &&
              (hardLink != nullptr) == (seen.type == '1');
  if (seen.type == '0') same = same && type == AE_IFREG;
  if (seen.type == '2') same = same && type == AE_IFLNK;
  if (seen.type == '3') same = same && type == AE_IFCHR;
  if (seen.type == '4') same = same && type == AE_IFBLK;
  if (seen.type == '5') same = same && type == AE_IFDIR;
  if (seen.type == '6') same = same && type == AE_IFIFO;
  if (same) return {};
  const char* text = archive_entry_pathname(entry);
  const std::string_view path = text == nullptr ? "" : text;
  if (seen.type == '0' && path.ends_with('/')) {
    return refuseEntry("E_PATH", path, "a name that ends in a slash is no directory");
  }
  return refuseEntry("E_TAR", path, "its header can be read in two ways");
}

std::unexpected<Error> twoWays() {
  return refuse(ErrorKind::Invalid, "E_TAR", "the archive can be read in two ways");
}

}  // namespace

la_ssize_t ArchiveReader::readFromGate(archive* reader, void* context, const void** bytes) {
  ArchiveReader& self = *static_cast<ArchiveReader*>(context);
  auto next = self.gate_.next(self.tar_);
  if (!next) {
    self.error_ = std::move(next.error());
    archive_set_error(reader, EINVAL, "refused");
    return -1;
  }
  *bytes = next->data();
  return static_cast<la_ssize_t>(next->size());
}

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open(FdRef tar, TarOf what) {
  std::unique_ptr<ArchiveReader> self(new ArchiveReader(tar, what));
  self->reader_.reset(archive_read_new());
  archive* reader = self->reader_.get();
  if (reader == nullptr || archive_read_support_format_tar(reader) != ARCHIVE_OK ||
      archive_read_support_filter_none(reader) != ARCHIVE_OK) {
    return fail(ErrorKind::Failed, "libarchive does not start");
  }
  if (archive_read_open2(reader, self.get(), nullptr, readFromGate, nullptr, nullptr) != ARCHIVE_OK)
    return self->readerError();
  return self;
}

std::unexpected<Error> ArchiveReader::readerError() {
  if (error_) return fail(std::move(*error_));
  const char* text = archive_error_string(reader_.get());
  return refuse(ErrorKind::Invalid, "E_TAR",
                "the archive is malformed: " + quoted(text == nullptr ? "" : text),
                "make it again with GNU tar");
}

Result<std::optional<ArchiveReader::Entry>> ArchiveReader::next() {
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(reader_.get(), &entry);
  if (result == ARCHIVE_EOF) {
    if (error_) return readerError();
    if (gate_.takeEntry() || !gate_.atEnd()) return twoWays();
    return std::optional<Entry>();
  }
  // A warning is a doubt about what the header means.
  if (result != ARCHIVE_OK) return readerError();
  const auto seen = gate_.takeEntry();
  if (!seen) return twoWays();
  TRY(compareReaders(reader_.get(), entry, *seen));
  const char* text = archive_entry_pathname(entry);
  return Entry{.header = entry, .seen = *seen, .path = text == nullptr ? "" : text};
}

Result<void> ArchiveReader::content(const Entry& file, const Sink& sink) {
  std::uint64_t done = 0;
  for (;;) {
    const void* bytes = nullptr;
    std::size_t count = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader_.get(), &bytes, &count, &offset);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK) return readerError();
    if (static_cast<std::uint64_t>(offset) != done || count > file.seen.size - done) {
      return refuseEntry("E_SPARSE", file.path, "its content has holes");
    }
    TRY(sink(std::span(static_cast<const std::uint8_t*>(bytes), count)));
    done += count;
  }
  if (done != file.seen.size)
    return refuseEntry("E_TRUNCATED", file.path, "its content ends early");
  return {};
}

}  // namespace airlock::verifier
