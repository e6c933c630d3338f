// SPDX-License-Identifier: Apache-2.0
// oci_manifest: any bytes as a manifest, an index or a config are refused or read; an index gives
// one of its manifests or none.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/limits.h"
#include "image/oci_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock::image;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view type : {std::string_view(), kOciIndexType, kDockerManifestType}) {
    const auto document = parseOciDocument(text, type);
    if (!document) continue;
    if (const auto* index = std::get_if<OciIndex>(&*document)) {
      static_cast<void>(chooseManifest(*index, hostPlatform()).has_value());
    } else if (requireImage(std::get<OciManifest>(*document))) {
      if (std::get<OciManifest>(*document).layers.size() > airlock::limits::kOciLayers)
        std::abort();
    }
  }
  const auto config = readOciConfig(text, 1);
  if (config) static_cast<void>(platformLabels(*config).has_value());
  return 0;
}
