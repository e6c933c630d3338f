// SPDX-License-Identifier: Apache-2.0
// From an image as named on a command line to the record of it in the store.  CLI only.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"
#include "ipc/records.h"

namespace airlock::cli {

enum class PullPolicy { Never, New, Update };
// "never", "new" or "update"; rkt's text for others.
Result<PullPolicy> parsePullPolicy(std::string_view text);

// A hash prefix, a name (the store first, by policy), a file or a URL.  `signatureFile` is "" or
// --signature's value. What it does it tells on stderr; nothing goes to stdout.
Result<ipc::CatalogRecord> obtainImage(const Options& options, const std::string& argument,
                                       const std::string& signatureFile, PullPolicy policy);

}  // namespace airlock::cli
