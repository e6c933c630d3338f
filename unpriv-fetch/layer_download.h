// SPDX-License-Identifier: Apache-2.0
// Layers from a registry: several at once, each gone on with where it broke off.  The fetcher only.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "unpriv-fetch/oci_source.h"
#include "unpriv-fetch/registry.h"

namespace airlock::fetch {

// Each layer is asked for at one registry after the other, checked against size and digest while it
// comes.  A connection that breaks after it has brought something is taken up again; content that
// is another one is fetched anew once, when an earlier process had begun it.  The first error that
// is no other's consequence.
Result<void> downloadLayers(const std::vector<Registry>& registries, std::span<LayerFile> wanted,
                            LayerBoard& board);

}  // namespace airlock::fetch
