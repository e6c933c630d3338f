// SPDX-License-Identifier: Apache-2.0
// Where a caller keeps things of its own: store, configuration, cache.  CLI only.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "cli/command.h"

namespace airlock::cli {

// The path as seen from the working directory of now; links are not followed and "." and ".." are
// kept.
Result<std::string> absolutePath(const std::string& path);

// $XDG_CONFIG_HOME/airlock and $XDG_DATA_HOME/airlock, or what the XDG base directory specification
// says without the variables; empty when there is no HOME either.
std::string ownConfigDirectory();
std::string ownDataDirectory();

// Where downloads are kept until they are imported: DIR/cache with --dir, /var/cache/airlock for
// root, else $XDG_CACHE_HOME/airlock.  Made if missing, 0700; refused (E_CACHE) when somebody else
// owns it.
Result<Fd> openCache(const Options& options);

// Makes every missing directory of an absolute path and opens the last.
Result<Fd> makeDirectories(const std::string& path, mode_t mode);

}  // namespace airlock::cli
