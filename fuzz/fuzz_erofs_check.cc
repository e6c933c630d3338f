// SPDX-License-Identifier: Apache-2.0
// checkTree on any bytes, with the superblock's checksum made right.
#include <string>

#include "verifier/erofs_check.h"
#include "verifier/tree_test_support.h"

using namespace airlock::verifier;  // NOLINT: one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string image(reinterpret_cast<const char*>(data), size);
  static_cast<void>(checkTree(testing::memoryFile(testing::resigned(image))));
  return 0;
}
