// SPDX-License-Identifier: Apache-2.0
// pod_manifest: any bytes are refused or keep their value when written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/limits.h"
#include "image/pod_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock::image;  // NOLINT: one function
  const auto manifest = parsePodManifest({reinterpret_cast<const char*>(data), size});
  if (!manifest) return 0;
  // Escapes may make the written text longer than a manifest may be.
  const std::string text = toJson(*manifest, JsonStyle::Compact);
  if (text.size() > airlock::limits::kManifestBytes) return 0;
  const auto again = parsePodManifest(text);
  if (!again || *again != *manifest) std::abort();
  return 0;
}
