// SPDX-License-Identifier: Apache-2.0
// An image of an archive that `docker save` or a builder has written.  The fetcher only.  (docker
// image spec v1.2, "combined image JSON + filesystem changeset format")
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "unpriv-fetch/local_files.h"
#include "unpriv-fetch/oci_source.h"

namespace airlock::fetch {

// Such an archive has no manifest in the sense of registries.  One is made, the same for the same
// archive, and it is the image's from then on: schema 2, with each layer as it lies in the archive.
// For layers that are not compressed (docker's own are not) these are the very bytes that skopeo
// makes of it.
class DockerArchiveSource : public OciSource {
 public:
  // `reference` is one of the RepoTags; empty: the only image there is.
  DockerArchiveSource(std::unique_ptr<LocalFiles> files, std::string reference)
      : files_(std::move(files)), reference_(std::move(reference)) {}

  Result<Root> root() override;
  Result<std::string> document(const image::OciDescriptor& which, std::size_t most,
                               bool isManifest) override;
  Result<std::vector<FoundAttachment>> signatures(const OciDigest& digest) override;
  Result<void> layers(std::span<LayerFile> wanted, LayerBoard& board) override;

 private:
  std::unique_ptr<LocalFiles> files_;
  std::string reference_;
  std::string config_;                   // its content
  std::vector<std::string> layerPaths_;  // the lowest first
};

}  // namespace airlock::fetch
