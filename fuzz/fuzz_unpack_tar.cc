// SPDX-License-Identifier: Apache-2.0
// unpackAci on any bytes; what it accepts, checkTree must accept.
#include <cstdlib>
#include <string>

#include "verifier/erofs_check.h"
#include "verifier/tree_test_support.h"

using namespace airlock::verifier;  // NOLINT: one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string tar(reinterpret_cast<const char*>(data), size);
  // A mutated header gets its checksum, or no mutation would come further than that.
  for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
    if (tar.compare(at + 257, 5, "ustar") == 0) testing::fixChecksum(tar, at);
  }
  const testing::Unpacking unpacking = testing::unpack(tar);
  if (unpacking.result && !checkTree(unpacking.image)) std::abort();
  return 0;
}
