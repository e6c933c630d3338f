// SPDX-License-Identifier: Apache-2.0
// Signatures of an image: those that lie beside it in its registry, and simple signatures of a
// place of their own.  They are found here, not judged.  The fetcher only.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "unpriv-fetch/client.h"
#include "unpriv-fetch/oci_source.h"
#include "unpriv-fetch/offered_files.h"
#include "unpriv-fetch/registry.h"

namespace airlock::fetch {

// "Accept: …": every kind of manifest and index that we read.
std::string manifestAccept();

// The signatures of cosign's tag sha256-HEX.sig, and the bundles that the referrers API, or without
// it the tag sha256-HEX, leads to.  That there are none is no error; a document that leads nowhere,
// or one that is not what its digest names, is.
Result<std::vector<FoundAttachment>> sigstoreSignatures(Registry& registry,
                                                        const OciDigest& digest);

// BASE/NAME@sha256=HEX/signature-1 and so on, up to the first that is missing.  `base` is an http
// URL that the user named; or it is a directory that the CLI has.
Result<std::vector<FoundAttachment>> simpleSignatures(Client& client, const std::string& base,
                                                      const std::string& name,
                                                      const OciDigest& digest);
Result<std::vector<FoundAttachment>> simpleSignatures(OfferedFiles& files, std::uint8_t place,
                                                      const OciDigest& digest);

}  // namespace airlock::fetch
