// SPDX-License-Identifier: Apache-2.0
// Has airlock-fetch do one job and end.  CLI only.  What comes back is hostile: the fetcher has
// talked to the network.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cli/command.h"
#include "ipc/fetch_messages.h"

namespace airlock::cli {

// The network options that every job of this caller has: what is allowed, the proxy of its
// environment, and the credentials that are configured.
Result<ipc::FetchOptions> fetchOptions(const Options& options);

// Downloads an image into `image` and its signature into `signature`; tells progress and notes on
// stderr.  When this returns, the fetcher has exited: a connection to the helper may be opened only
// then (a fetcher of the caller's own uid could otherwise reach into the process that holds it).
// `found` hears where the image lies, and again with its tag when the server begins to send it;
// `keysText` is told before the signature is downloaded.
using OnFound = std::function<void(const ipc::FetchFound&)>;
Result<ipc::FetchedImage> fetchImage(ipc::FetchImageJob job, FdRef image, FdRef signature,
                                     const OnFound& found, const std::string& keysText = {});

struct FetchedKey {
  std::string url;
  std::string content;
};
// The keys that `prefix` advertises, or the one at `url`.
Result<std::vector<FetchedKey>> fetchKeys(ipc::FetchKeysJob job);

// An empty file in memory, for what is small.
Result<Fd> memoryFile(const char* name);

}  // namespace airlock::cli
