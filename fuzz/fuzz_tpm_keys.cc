// SPDX-License-Identifier: Apache-2.0
// A TPM that answers anything (M16) to whoever asks for its keys and for a quote; the same bytes as
// a challenge.
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/fd.h"
#include "base/syscall.h"
#include "tpm/keys.h"
#include "tpm/quote.h"

namespace {

using airlock::tpm::Connection;
namespace tpm = airlock::tpm;

constexpr std::uint32_t kHandle = 0x81018000;

// As far as the answers let it go.
airlock::Result<void> use(Connection& connection) {
  const auto key = TRY(tpm::readKey(connection, kHandle));
  if (key && tpm::isAttestationKey(key->area) && !tpm::pem(key->area)) std::abort();
  if (key) static_cast<void>(tpm::describe(key->area));
  const auto selection =
      TRY(tpm::selectRegisters(connection, {}, 15, {tpm::kSha256, tpm::kSha384}));
  const auto quote = TRY(tpm::quote(connection, kHandle, "a nonce of 16 b.", selection));
  if (quote.values.size() < 2) std::abort();
  static_cast<void>(tpm::valuesJson(quote.values));
  const auto endorsement = TRY(tpm::makeEndorsementKey(connection, {}));
  static_cast<void>(endorsement.isCertified());
  const auto made = TRY(tpm::makeAttestationKey(connection, endorsement, {}));
  if (key) TRY(tpm::evict(connection, *key, kHandle, {}));
  return tpm::keep(connection, made, kHandle, {});
}

}  // namespace

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
  auto connection = Connection::open(std::move(device));
  if (!connection) std::abort();
  if (size > 0 && data[0] == 0xba) {  // a challenge begins so, and no answer
    const tpm::EndorsementKey key{tpm::Transient(**connection, 0), {}, {}, {}};
    static_cast<void>(
        tpm::activate(**connection, key, kHandle, {reinterpret_cast<const char*>(data), size}, {}));
  } else {
    static_cast<void>(use(**connection));
  }
  return 0;
}
