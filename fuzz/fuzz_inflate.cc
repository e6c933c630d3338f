// SPDX-License-Identifier: Apache-2.0
// Compressed files through every filter: no more may come out than is allowed.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/limits.h"
#include "base/syscall.h"
#include "verifier/inflate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  constexpr std::uint64_t kMost = 4 * limits::MiB;
  const Fd in = Fd::own(::memfd_create("fuzz", MFD_CLOEXEC));
  const Fd out = Fd::own(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!sys::writeAll(in, std::span(data, size))) std::abort();
  for (const bool layer : {false, true}) {
    const auto inflated = verifier::inflate(in, out, {.most = kMost, .layer = layer});
    if (inflated && (inflated->bytesOut > kMost || inflated->bytesIn != size)) std::abort();
  }
  return 0;
}
