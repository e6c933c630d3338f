// SPDX-License-Identifier: Apache-2.0
// libarchive behind the gate (tar_gate.h): the entries of one archive, each seen alike by both.
// For the role unpack.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "verifier/tar_gate.h"

namespace airlock::verifier {

class ArchiveReader {
 public:
  // `tar` is read front to back and must outlive the reader.
  static Result<std::unique_ptr<ArchiveReader>> open(FdRef tar, TarOf what);

  struct Entry {
    archive_entry* header;  // until the next call
    GatedEntry seen;
    std::string_view path;
  };
  // The next entry; none at the real end of the archive, behind which is nothing.  E_TAR: its two
  // readers disagree.
  Result<std::optional<Entry>> next();

  using Sink = std::function<Result<void>(std::span<const std::uint8_t>)>;
  // The content of the last entry, whole.  E_SPARSE, E_TRUNCATED.
  Result<void> content(const Entry& file, const Sink& sink);

 private:
  ArchiveReader(FdRef tar, TarOf what) : gate_(what), tar_(tar) {}
  static la_ssize_t readFromGate(archive* reader, void* context, const void** bytes);
  std::unexpected<Error> readerError();

  struct Free {
    void operator()(archive* reader) const { archive_read_free(reader); }
  };
  TarGate gate_;
  FdRef tar_;
  std::optional<Error> error_;  // of the gate
  std::unique_ptr<archive, Free> reader_;
};

}  // namespace airlock::verifier
