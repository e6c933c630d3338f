// SPDX-License-Identifier: Apache-2.0
// A file of auth.d, paths.d or stage1.d; the first byte says which.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/configuration.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto& directories = airlock::cli::configurationDirectories();
  airlock::cli::Configuration configuration;
  static_cast<void>(airlock::cli::parseConfigurationFile(
      {reinterpret_cast<const char*>(data) + 1, size - 1}, "/c/d/f.json",
      directories[data[0] % directories.size()], configuration));
  return 0;
}
