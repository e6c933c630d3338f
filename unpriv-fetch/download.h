// SPDX-License-Identifier: Apache-2.0
// Downloads into a descriptor: an image, which may be cached, resumed and large, or a small file.
// The fetcher only.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "unpriv-fetch/client.h"
#include "unpriv-fetch/discovery.h"
#include "unpriv-fetch/events.h"

namespace airlock::fetch {

struct ImageDownload {
  Named from;
  std::string signatureUrl;  // for the event that tells of the tag
  std::uint64_t mostBytes = 0;
  // Of an earlier download of the same URL; 0 and "" when there was none.
  std::uint64_t resumeFrom = 0;
  std::string resumeTag;
  std::string cachedTag;
};
struct Downloaded {
  std::string tag;
  std::int64_t maxAge = 0;  // seconds
  std::uint64_t bytes = 0;  // of the whole file
  bool notModified = false;
};

// Writes the image to `file` from offset 0 on, or goes on at `resumeFrom` when the server still has
// that version: what is in the file then is the whole, exactly.  One broken connection is resumed
// at once where the server can do that. An error leaves in the file what came; E_SHORT says that
// the rest may come later. E_RANGE: the server answered a request for the rest with another part.
// E_LIMIT: more than mostBytes (test F07: not one byte more is written).  E_HTTP: another status.
Result<Downloaded> downloadImage(Client& client, const ImageDownload& job, FdRef file,
                                 Events& events);

// Appends the whole of a small document to `file`; its length.  `deferred` instead of an error for
// status 202, with which a server asks to come back for the signature when the image has been
// fetched (rkt does so).
struct SmallFile {
  std::uint64_t bytes = 0;
  bool deferred = false;
};
Result<SmallFile> downloadSmall(Client& client, const Named& from, std::size_t mostBytes,
                                FdRef file);

}  // namespace airlock::fetch
