// SPDX-License-Identifier: Apache-2.0
// "Simple signing" of the containers tools: signatures that lie in a place of their own.  They are
// found here, not judged.  The fetcher only.  (containers-registries.d(5), "lookaside")
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "unpriv-fetch/client.h"
#include "unpriv-fetch/oci_source.h"
#include "unpriv-fetch/offered_files.h"

namespace airlock::fetch {

// BASE/NAME@sha256=HEX/signature-1 and so on, up to the first that is missing.  `base` is an http
// URL that the user named; or it is a directory that the CLI has.
Result<std::vector<FoundAttachment>> simpleSignatures(Client& client, const std::string& base,
                                                      const std::string& name,
                                                      const OciDigest& digest);
Result<std::vector<FoundAttachment>> simpleSignatures(OfferedFiles& files, std::uint8_t place,
                                                      const OciDigest& digest);

}  // namespace airlock::fetch
