// SPDX-License-Identifier: Apache-2.0
// Signatures that lie beside an image, as cosign puts them there.  They are found here, not judged.
// The fetcher only.  (cosign signature spec; sigstore bundle spec; distribution spec, referrers)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "unpriv-fetch/oci_source.h"

namespace airlock::fetch {

// A repository or a layout, asked for what belongs to an image.  That something is not there is no
// error.
class ManifestPlace {
 public:
  virtual ~ManifestPlace() = default;
  struct Found {
    std::string text;
    std::string contentType;  // what the place says that it is, or empty
  };
  virtual Result<std::optional<Found>> byTag(const std::string& tag) = 0;
  // The index of what refers to it, where the place keeps one.
  virtual Result<std::optional<Found>> referrers(const OciDigest& subject,
                                                 std::string_view artifactType) = 0;
  // At most `most` bytes, of that size and digest (E_DIGEST).
  virtual Result<std::optional<std::string>> manifest(const image::OciDescriptor& which,
                                                      std::size_t most) = 0;
  virtual Result<std::string> blob(const image::OciDescriptor& which, std::size_t most) = 0;
};

// The signatures of cosign's tag sha256-HEX.sig, and the bundles that the referrers, or without
// them the tag sha256-HEX, lead to.  A document that leads nowhere, or one that is not what its
// digest names, is an error.
Result<std::vector<FoundAttachment>> sigstoreSignatures(ManifestPlace& place,
                                                        const OciDigest& digest);
// "sha256-HEX", and that with ".sig", ".att" or ".sbom": a tag that is for what belongs to an
// image.
bool isAttachmentTag(std::string_view tag);

}  // namespace airlock::fetch
