// SPDX-License-Identifier: Apache-2.0
// A TPM that answers anything (M16): the input is the stream of its answers to the commands of a
// measurement.
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/fd.h"
#include "base/syscall.h"
#include "tpm/tpm.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using airlock::Fd;
  constexpr std::size_t kMost = 32 * 1024;  // fits the socket's buffer: nobody reads while we write
  if (size > kMost) return 0;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  Fd device = Fd::own(ends[0]);
  const Fd answers = Fd::own(ends[1]);
  if (!airlock::sys::writeAll(answers, std::span(data, size))) std::abort();
  ::shutdown(answers.get(), SHUT_WR);  // so that what is missing is an end, and no wait

  auto tpm = airlock::tpm::Tpm::open(std::move(device));
  if (!tpm) std::abort();
  const auto banks = tpm->activeBanks(15);
  if (!banks) return 0;
  const auto values = tpm->read(15, *banks);
  if (!values) return 0;
  for (std::size_t i = 0; i < values->size(); ++i) {
    const auto* algorithm = airlock::tpm::findHash((*banks)[i]);
    if (algorithm == nullptr || (*values)[i].value.size() != algorithm->bytes) std::abort();
  }
  if (!tpm->extend(15, *values)) return 0;
  if (!tpm->identify()) return 0;
  static_cast<void>(tpm->counters());
  return 0;
}
