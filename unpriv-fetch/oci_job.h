// SPDX-License-Identifier: Apache-2.0
// Does one FetchOciJob: the documents and signatures of an image, then the layers that the CLI
// asks for.  The fetcher only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/channel.h"
#include "ipc/fd_table.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/client.h"
#include "unpriv-fetch/events.h"

namespace airlock::fetch {

// What an endpoint needs beside its name.
struct EndpointAccess {
  ClientOptions client;
  std::optional<ipc::Credential> credential;
};

// A job with its descriptors taken and checked.
struct OciWork {
  ipc::FetchOciJob job;
  Fd documents;
  Fd archive;
  ClientOptions client;                   // for what is no registry: places of signatures
  std::vector<EndpointAccess> endpoints;  // as the job's
  std::uint64_t largestFile = 0;

  // What must stay open through the confinement.
  std::vector<int> descriptors() const;
};

// Errors as of prepareWork() in job.h.
Result<OciWork> prepareOciWork(ipc::FetchOciJob job, ipc::FdTable fds);

// Talks with the CLI over `channel`; the value is the event that ends the job.  Layers of more than
// options.mostBytes are refused (E_LIMIT).
Result<ipc::FetchEvent> runOci(const OciWork& work, ipc::Channel& channel, Events& events);

}  // namespace airlock::fetch
