// SPDX-License-Identifier: Apache-2.0
// An image of an OCI layout, in a directory or an archive.  The fetcher only.  (image-spec,
// image-layout)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "unpriv-fetch/local_files.h"
#include "unpriv-fetch/oci_source.h"

namespace airlock::fetch {

class LayoutSource : public OciSource {
 public:
  // `reference` is an org.opencontainers.image.ref.name; empty: the only image there is.
  LayoutSource(std::unique_ptr<LocalFiles> files, std::string reference, bool wantSigstore)
      : files_(std::move(files)), reference_(std::move(reference)), wantSigstore_(wantSigstore) {}

  Result<Root> root() override;
  Result<std::string> document(const image::OciDescriptor& which, std::size_t most,
                               bool isManifest) override;
  Result<std::vector<FoundAttachment>> signatures(const OciDigest& digest) override;
  Result<void> layers(std::span<LayerFile> wanted, LayerBoard& board) override;

 private:
  std::unique_ptr<LocalFiles> files_;
  std::string reference_;
  bool wantSigstore_;
  image::OciIndex index_;  // index.json
};

// Streams one file of `files` into each layer, checked; the paths are those of the same index.
Result<void> copyLayers(LocalFiles& files, const std::vector<std::string>& paths,
                        std::span<LayerFile> wanted, LayerBoard& board);

}  // namespace airlock::fetch
