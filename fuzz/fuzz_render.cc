// SPDX-License-Identifier: Apache-2.0
// renderAcis on two archives of any bytes, the first one's length before them, under white lists;
// what it accepts, checkTree must accept.
#include <cstdlib>
#include <string>

#include "verifier/erofs_check.h"
#include "verifier/tree_test_support.h"
#include "verifier/unpack.h"

using namespace airlock::verifier;  // NOLINT: one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string tars(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool lists = (data[0] & 0x80) != 0;
  const std::size_t first =
      std::min<std::size_t>(((data[0] & 0x7fU) << 8 | data[1]) * std::size_t{512}, tars.size());
  // A mutated header gets its checksum, or no mutation would come further than that.
  for (std::size_t at = 0; at + 512 <= tars.size(); at += 512) {
    if (tars.compare(at + 257, 5, "ustar") == 0) testing::fixChecksum(tars, at);
  }
  const airlock::Fd one = testing::memoryFile(std::string_view(tars).substr(0, first));
  const airlock::Fd two = testing::memoryFile(std::string_view(tars).substr(first));
  RenderedImage images[] = {{.tar = one, .whitelist = {}}, {.tar = two, .whitelist = {}}};
  if (lists) {
    images[0].whitelist.add({"/a", "/d", "/d/b"}, PathWhitelist::Of::Itself);
    images[1].whitelist.add({"/a", "/d", "/d/b"}, PathWhitelist::Of::Dependent);
  }
  const airlock::Fd tree = testing::memoryFile("");
  const airlock::Fd scratch = testing::memoryFile("");
  if (renderAcis(images, tree, scratch) && !checkTree(tree)) std::abort();
  return 0;
}
