// SPDX-License-Identifier: Apache-2.0
// Any datagram of an app to its notify socket: what comes of it is one of five words and a short,
// printable text, which the leash carries.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/limits.h"
#include "stage1/contract/notify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  stage1::Notification said;
  stage1::readNotification({reinterpret_cast<const char*>(data), size}, said);
  if ((said.said & ~ipc::kNotifyAll) != 0) std::abort();
  if (said.status.size() > limits::kNotifyStatusBytes) std::abort();
  if (std::ranges::any_of(said.status, [](char c) { return c >= 0 && c < ' '; })) std::abort();
  if (said.said == 0) return 0;
  const std::string event = ipc::encode(ipc::LeashEvent{.kind = ipc::LeashEvent::Kind::Notify,
                                                        .app = "app",
                                                        .status = 0,
                                                        .text = said.status,
                                                        .notify = said.said});
  if (!ipc::decodeLeashEvent(event)) std::abort();
  return 0;
}
