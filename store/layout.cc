// SPDX-License-Identifier: Apache-2.0
#include "store/layout.h"

#include <cstdlib>

#include "base/log.h"

namespace airlock::store {

namespace {
constexpr std::size_t kNameKeyBytes = 20;  // of SHA-512: no two names meet, not on purpose either
}

std::string runtimeDirectoryOf(const std::string& dataDirectory) {
  return dataDirectory == kSystemDataDirectory ? kSystemRuntimeDirectory : dataDirectory + "/run";
}

Component name(std::string_view constant) {
  auto parsed = Component::parse(constant);
  if (!parsed) std::abort();
  return *std::move(parsed);
}

Component catalogName(const ImageId& image) { return name(image.text()); }
Component nameKey(const ImageName& image) {
  return name(digestOf(image.text()).hex().substr(0, 2 * kNameKeyBytes));
}
Component blobName(const BlobDigest& blob) { return name(blob.text()); }
Component ociBlobName(const OciDigest& blob) { return name(blob.text()); }
Component treeName(const TreeDigest& tree) { return name(tree.text()); }
Component podName(const PodId& pod) { return name(pod.text()); }

}  // namespace airlock::store
