// SPDX-License-Identifier: Apache-2.0
// TreeStreamReader on any bytes: what it lets through leads nowhere but below.
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/syscall.h"
#include "ipc/tree_stream.h"

using namespace airlock;  // NOLINT: one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kFitsThePipe = 32 * 1024;
  if (size > kFitsThePipe) return 0;
  auto pipe = sys::pipe();
  if (!pipe || !sys::writeAll(pipe->writeEnd, std::span(data, size))) std::abort();
  pipe->writeEnd.reset();
  ipc::TreeStreamReader reader(pipe->readEnd);
  bool isFirst = true;
  for (;;) {
    const auto entry = reader.next();
    if (!entry || !*entry) return 0;
    const std::string& path = (*entry)->path;
    const std::string below = "/" + path + "/";
    if (path.empty() != isFirst || path.starts_with('/') ||
        below.find("/../") != std::string::npos || path.find('\0') != std::string::npos) {
      std::abort();
    }
    isFirst = false;
    const auto use = [](std::span<const std::uint8_t>) -> Result<void> { return {}; };
    if (!reader.content(**entry, use)) return 0;
  }
}
