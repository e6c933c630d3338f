// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message of the fetcher's channel: refused, or a value that is encoded to the same
// bytes ever after.
#include <cstdint>
#include <cstdlib>

#include "ipc/fetch_messages.h"

namespace {
template <class Decode>
void tryOne(std::string_view input, Decode decode) {
  using namespace airlock;
  const auto value = decode(input);
  if (!value) return;
  // Pointers that overlap can say more than fits when it is written out.
  const auto bytes = ipc::encode(*value);
  if (!bytes) return;
  const auto again = decode(*bytes);
  if (!again || ipc::encode(*again).value() != *bytes) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  tryOne(input, ipc::decodeFetchEvent);
  tryOne(input, ipc::decodeFetchJob);
  tryOne(input, ipc::decodeFetchLayers);
  tryOne(input, ipc::decodeOfferedFile);
  return 0;
}
