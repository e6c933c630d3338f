// SPDX-License-Identifier: Apache-2.0
// Files that the CLI opens for us when we ask: of a layout, and of directories of signatures.  They
// may be readable for its user alone, and this process opens nothing by path.  The fetcher only.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/channel.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/events.h"
#include "unpriv-fetch/local_files.h"

namespace airlock::fetch {

class OfferedFiles : public LocalFiles {
 public:
  OfferedFiles(ipc::Channel& channel, Events& events) : channel_(&channel), events_(&events) {}

  // A regular file open for reading.  The error is the CLI's: Missing, Denied …; E_FD for anything
  // else that comes.
  Result<Fd> open(const ipc::OciFileWanted& wanted);

  // Of a layout: "oci-layout", "index.json", "blobs/sha256/HEX"; E_PATH for every other.
  Result<std::string> read(const std::string& path, std::size_t most) override;
  Result<void> stream(std::span<const FileWish> wishes) override;

 private:
  ipc::Channel* channel_;
  Events* events_;
};

}  // namespace airlock::fetch
