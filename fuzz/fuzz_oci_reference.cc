// SPDX-License-Identifier: Apache-2.0
// oci_reference: any argument is refused or reads back from its own text; a repository's name leads
// back to it, and any name leads to at most one repository that has it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "image/oci_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto image = image::parseRegistryImage(text)) {
    const auto again = image::parseRegistryImage(image::referenceText(*image));
    if (!again || !(*again == *image)) std::abort();
    const auto name = image::imageNameOf(image->repository);
    if (!name || image::repositoryOf(*name) != image->repository) std::abort();
  }
  if (const auto name = ImageName::parse(text)) {
    const auto place = image::repositoryOf(*name);
    if (place && image::imageNameOf(*place).value() != *name) std::abort();
  }
  return 0;
}
