// SPDX-License-Identifier: Apache-2.0
// An OCI image of the store as an archive of an image layout (OCI image spec, "Image Layout"),
// which skopeo, umoci and podman read.  CLI only.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/records.h"
#include "ipc/verify_messages.h"

namespace airlock::cli {

// `files` as Store::openFiles gives them, each checked while it is written.  Signatures of cosign
// are kept under the tag that it looks for.  E_DIGEST: a stored file is not what was imported.
Result<void> writeOciArchive(FdRef output, const ipc::CatalogRecord& record,
                             const std::vector<Fd>& files,
                             const std::vector<ipc::OciSignature>& signatures);

}  // namespace airlock::cli
