// SPDX-License-Identifier: Apache-2.0
// airlock-attest, as the CLI starts it: what it judges goes in by descriptors, and so does what it
// says come out.  CLI only.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/appraise_messages.h"

namespace airlock::cli {

// A directory's files as one archive, or the archive itself; "-" is standard input.
Result<Fd> openEvidence(const std::string& path);
// Every certificate in a directory, or in a file, as one PEM text.
Result<Fd> openRoots(const std::string& path);
// Every list of revoked certificates in these directories and files, the same way.
Result<Fd> openCrls(const std::vector<std::string>& paths);
// A memfd that can be written; one that has been, and can be read from its start.
Result<Fd> blankFile(const char* debugName);
Result<Fd> fileWith(const char* debugName, std::string_view content);
Result<void> rewind(FdRef file);
// What was written into it.
Result<std::string> contentOf(FdRef file);

// As the caller; as the verifier's user when the caller is root.
Result<ipc::Appraised> askAttest(const ipc::AppraiseJob& job, std::span<const FdRef> fds);

}  // namespace airlock::cli
