// SPDX-License-Identifier: Apache-2.0
// unpackLayer on any bytes, above a layer that has a little of everything and read again as its
// answers ask for; what it accepts, checkTree must accept.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "verifier/erofs_check.h"
#include "verifier/layer.h"
#include "verifier/tree_test_support.h"

using namespace airlock;            // NOLINT: two functions
using namespace airlock::verifier;  // NOLINT

namespace {

Fd makeBottom() {
  const testing::TarBuilder tar = testing::TarBuilder()
                                      .directory("d/")
                                      .file("d/f", "content")
                                      .file("g", std::string(5000, 'g'))
                                      .symlink("s", "d");
  const Fd source = testing::memoryFile(tar.whole());
  Fd image = testing::memoryFile("");
  if (!unpackLayer(source, image, {.bottom = true, .lowers = {}, .skip = {}})) std::abort();
  return image;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fd bottom = makeBottom();
  std::string tar(reinterpret_cast<const char*>(data), size);
  // A mutated header gets its checksum, or no mutation would come further than that.
  for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
    if (tar.compare(at + 257, 5, "ustar") == 0) testing::fixChecksum(tar, at);
  }
  const FdRef below[] = {bottom};
  std::vector<std::uint32_t> skip;
  bool hasLowers = false;
  for (int reading = 0; reading < 4; ++reading) {
    const Fd source = testing::memoryFile(tar);
    const Fd image = testing::memoryFile("");
    const auto lowers = std::span<const FdRef>(below).first(hasLowers ? 1 : 0);
    const auto layered =
        unpackLayer(source, image, {.bottom = false, .lowers = lowers, .skip = skip});
    if (!layered) return 0;
    if (layered->superseded.empty() && !layered->needsLowers) {
      if (!checkTree(image, TreeOf::Layer)) std::abort();
      return 0;
    }
    skip.insert(skip.end(), layered->superseded.begin(), layered->superseded.end());
    std::ranges::sort(skip);
    hasLowers |= layered->needsLowers;
  }
  return 0;
}
