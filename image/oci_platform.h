// SPDX-License-Identifier: Apache-2.0
// For which machine an OCI image is, and which of several a machine takes.  Pure; unprivileged code
// may use it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"

namespace airlock::image {

// In Go's names ("linux", "arm64", "v8"), as image-spec has them.
struct OciPlatform {
  std::string os;
  std::string architecture;
  std::string variant;
  bool operator==(const OciPlatform&) const = default;
};
std::string platformText(const OciPlatform& platform);  // "linux/arm/v7"

// What this program was compiled for.
OciPlatform hostPlatform();

// How well a machine of the platform `machine` runs an image for `image`: 0 best, larger worse,
// nullopt not at all.  An older variant of the same architecture runs; none named means the usual
// one (arm: v7, arm64: v8, amd64: v1).
std::optional<int> platformDistance(const OciPlatform& machine, const OciPlatform& image);

// The appc labels os, arch and, where there is one that arch does not say, variant.  E_PLATFORM for
// an architecture that appc has no name for.
Result<std::vector<Label>> platformLabels(const OciPlatform& platform);

}  // namespace airlock::image
