// SPDX-License-Identifier: Apache-2.0
// image_reference: any argument is refused or read; a name reads back from its own text, and its
// discovery renders.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>
#include <vector>

#include "image/discovery.h"
#include "image/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto reference =
      airlock::image::parseImageReference(text, [](std::string_view) { return false; });
  if (!reference) return 0;
  const auto* image = std::get_if<airlock::image::NamedImage>(&*reference);
  if (image == nullptr) return 0;
  airlock::image::renderTemplate(text, image->name, image->labels, "aci");
  if (airlock::image::discoveryUrls(image->name, "https").empty()) std::abort();
  const auto again = airlock::image::parseNamedImage(airlock::image::referenceText(*image));
  if (!again || again->name != image->name) std::abort();
  std::vector<airlock::Label> before = image->labels;
  std::vector<airlock::Label> after = again->labels;
  std::ranges::sort(before);
  std::ranges::sort(after);
  if (before != after) std::abort();
  return 0;
}
