// SPDX-License-Identifier: Apache-2.0
// Any bytes as an event or a command on the leash: refused, or encoded to the same bytes ever
// after.
#include <cstdint>
#include <cstdlib>

#include "ipc/pod_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto event = ipc::decodeLeashEvent(bytes)) {
    const std::string sent = ipc::encode(*event);
    const auto again = ipc::decodeLeashEvent(sent);
    if (!again || ipc::encode(*again) != sent) std::abort();
  }
  if (const auto command = ipc::decodeLeashCommand(bytes)) {
    const auto again = ipc::decodeLeashCommand(ipc::encode(*command));
    if (!again || again->kind != command->kind || again->signal != command->signal) std::abort();
  }
  return 0;
}
