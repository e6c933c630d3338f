// SPDX-License-Identifier: Apache-2.0
// What comes with a job beside its message, taken and checked before the confinement.  The fetcher
// only.
#pragma once

#include <cstddef>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/fd_table.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/client.h"

namespace airlock::fetch {

// E_FD unless it is a regular file open for writing.
Result<Fd> takeOutput(ipc::FdTable& fds, std::size_t index);
// The content of a file of certificates or keys.  E_LIMIT: more than limits::kCaBundleBytes.
Result<std::string> takePem(ipc::FdTable& fds, std::size_t index);
// The certificates that this system trusts; empty when it has none: an error only when somebody
// asks for https.
Result<std::string> systemBundle();
// Without CA bundle.
ClientOptions clientOptions(const ipc::FetchOptions& options);

}  // namespace airlock::fetch
