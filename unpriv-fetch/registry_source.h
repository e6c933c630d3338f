// SPDX-License-Identifier: Apache-2.0
// An image of a registry, or of a mirror of it.  The fetcher only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "unpriv-fetch/client.h"
#include "unpriv-fetch/events.h"
#include "unpriv-fetch/oci_source.h"
#include "unpriv-fetch/registry.h"

namespace airlock::fetch {

class RegistrySource : public OciSource {
 public:
  // `registries` in the order in which they are asked, the registry itself last.  `what` is the tag
  // or, before it, the digest.
  RegistrySource(std::vector<Registry> registries, std::string tag, std::optional<OciDigest> digest,
                 bool wantSigstore, Events& events)
      : registries_(std::move(registries)),
        tag_(std::move(tag)),
        digest_(digest),
        wantSigstore_(wantSigstore),
        events_(&events) {}

  Result<Root> root() override;
  Result<std::string> document(const image::OciDescriptor& which, std::size_t most,
                               bool isManifest) override;
  Result<std::vector<FoundAttachment>> signatures(const OciDigest& digest) override;
  // Three at a time, each in a thread with connections of its own.
  Result<void> layers(std::span<LayerFile> wanted, LayerBoard& board) override;

 private:
  std::vector<Registry> registries_;
  std::string tag_;
  std::optional<OciDigest> digest_;
  bool wantSigstore_;
  Events* events_;
};

}  // namespace airlock::fetch
