// SPDX-License-Identifier: Apache-2.0
#include "image/oci_platform.h"

#include <array>
#include <utility>

#include "base/log.h"
#include "image/types.h"

namespace airlock::image {

namespace {

// Go's name of an architecture that appc calls otherwise.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kGoNames = {{
    {"i386", "386"},
    {"aarch64", "arm64"},
    {"aarch64_be", "arm64be"},
    {"armv6l", "arm"},
    {"armv7l", "arm"},
    {"armv7b", "armbe"},
}};

// The number of "v7"; nullopt for what is no such variant.
std::optional<int> number(std::string_view variant) {
  if (variant.size() != 2 || variant[0] != 'v' || variant[1] < '1' || variant[1] > '9')
    return std::nullopt;
  return variant[1] - '0';
}

// What an image or a machine without a variant is.
std::string_view usualVariant(std::string_view architecture) {
  if (architecture == "arm") return "v7";
  if (architecture == "arm64") return "v8";
  if (architecture == "amd64") return "v1";
  return "";
}

std::string_view variantOf(const OciPlatform& platform) {
  return platform.variant.empty() ? usualVariant(platform.architecture)
                                  : std::string_view(platform.variant);
}

}  // namespace

std::string platformText(const OciPlatform& platform) {
  std::string text = platform.os + "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  return text;
}

OciPlatform hostPlatform() {
  const std::string_view appc = hostArchitecture();
  OciPlatform host{.os = "linux", .architecture = std::string(appc), .variant = {}};
  for (const auto& [name, goName] : kGoNames) {
    if (name == appc) host.architecture = goName;
  }
  if (appc == "armv6l") host.variant = "v6";
  if (appc == "armv7l") host.variant = "v7";
  if (appc == "aarch64") host.variant = "v8";
  return host;
}

std::optional<int> platformDistance(const OciPlatform& machine, const OciPlatform& image) {
  if (machine.os != image.os || machine.architecture != image.architecture) return std::nullopt;
  const std::string_view have = variantOf(machine);
  const std::string_view wanted = variantOf(image);
  if (have == wanted) return 0;
  const auto haveNumber = number(have);
  const auto wantedNumber = number(wanted);
  // 32-bit code of ARMv8 is for another state of the processor; the others include what was before.
  if (!haveNumber || !wantedNumber || *wantedNumber > *haveNumber) return std::nullopt;
  return *haveNumber - *wantedNumber;
}

Result<std::vector<Label>> platformLabels(const OciPlatform& platform) {
  std::string_view arch = appcArchitecture(platform.architecture);
  std::string_view variant = platform.variant;
  if (platform.architecture == "arm") {
    if (variant == "v6" || variant == "v5") arch = "armv6l";
    if (variant == "v6" || variant == "v7") variant = "";
  }
  if (variant == usualVariant(platform.architecture)) variant = "";
  std::vector<Label> labels = {{"os", platform.os}, {"arch", std::string(arch)}};
  if (!variant.empty()) labels.push_back({"variant", std::string(variant)});
  if (arch.empty() || !checkLabels(labels)) {
    return refuse(
        ErrorKind::Unsupported, "E_PLATFORM",
        "no system of ours runs images for " + airlock::printable(platformText(platform)));
  }
  return labels;
}

}  // namespace airlock::image
