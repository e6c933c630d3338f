// SPDX-License-Identifier: Apache-2.0
// The files of a tar archive, by their names: every question reads it from its beginning, and what
// is not asked for is passed over.  The fetcher only: it is the one process that reads archives of
// images and has nothing to lose.
#pragma once

#include <map>
#include <string>

#include "base/fd.h"
#include "unpriv-fetch/local_files.h"

struct archive;
struct archive_entry;

namespace airlock::fetch {

class ArchiveFiles : public LocalFiles {
 public:
  // A regular file: tar, as it is or compressed by gzip or zstd.
  explicit ArchiveFiles(FdRef file) : file_(file.get()) {}
  Result<std::string> read(const std::string& path, std::size_t most) override;
  // Two wishes for one path are both served.  E_ARCHIVE: it is no tar, or broken.
  Result<void> stream(std::span<const FileWish> wishes) override;

 private:
  // What else an entry is called: docker writes a layer that several images share once, and links.
  Result<void> readLinks();
  std::string target(const std::string& path) const;

  int file_;
  bool linksRead_ = false;
  std::map<std::string, std::string> links_;
};

}  // namespace airlock::fetch
