// SPDX-License-Identifier: Apache-2.0
// Does one job of ipc/fetch_messages.h that fills files: an ACI and its signature, or keys.  (Those
// for Docker and OCI images: oci_job.h.)  The fetcher only.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/fd_table.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/client.h"
#include "unpriv-fetch/events.h"

namespace airlock::fetch {

using FileJob = std::variant<ipc::FetchImageJob, ipc::FetchKeysJob>;

// A job with its descriptors taken and checked.
struct Work {
  FileJob job;
  Fd output;                      // the image, or the keys
  Fd signature;                   // of an image job only
  ClientOptions client;           // with the CA bundle read
  std::uint64_t largestFile = 0;  // that this job may write

  // What must stay open through the confinement.
  std::vector<int> descriptors() const;
};

// E_FD: too few or too many descriptors, or one that is no regular file open for writing.
// E_LIMIT: a CA bundle of more than limits::kCaBundleBytes.  Without one in the job, the system's
// is read.
Result<Work> prepareWork(FileJob job, ipc::FdTable fds);

// Does it; the value is the event that ends the job.
Result<ipc::FetchEvent> run(const Work& work, Events& events);

}  // namespace airlock::fetch
