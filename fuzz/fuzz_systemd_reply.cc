// SPDX-License-Identifier: Apache-2.0
// Any bytes as a SystemdReply: refused, or a value that is encoded to the same bytes ever after.
#include <cstdint>
#include <cstdlib>

#include "ipc/systemd_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const auto value = ipc::decodeSystemdReply({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  // Pointers that overlap can say more than fits when it is written out.
  const auto bytes = ipc::encode(*value);
  if (!bytes) return 0;
  const auto again = ipc::decodeSystemdReply(*bytes);
  if (!again || ipc::encode(*again).value() != *bytes) std::abort();
  return 0;
}
