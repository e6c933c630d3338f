// SPDX-License-Identifier: Apache-2.0
// A list of revoked attestation keys, and what the CLI tells airlock-attest of the auditor's keys.
// Whatever stands before it in a list that is read, a key that is listed is refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "attest/key.h"
#include "attest/revoked.h"
#include "attest/signers.h"

using namespace airlock::attest;  // NOLINT: one program, one subject

namespace {

std::vector<TrustedKey> inventory() {
  ::setenv("TSS2_LOG", "all+NONE", 1);
  prepareOpenssl();
  std::ifstream file(AIRLOCK_VECTORS "/evidence/ak.pub", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  auto keys = readInventory(text.str());
  if (!keys || keys->size() != 1) std::abort();
  return std::move(*keys);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<TrustedKey> keys = inventory();
  const std::string text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(parseAuditorsTrust(text));
  const auto alone = RevokedKeys::parse(text);
  if (!alone) {
    if (alone.error().code() != "E_ATTEST_REVOKED_LIST") std::abort();
    return 0;
  }
  static_cast<void>(alone->expectNot(keys[0]));
  const auto listed = RevokedKeys::parse(text + "\n" + keys[0].key.fingerprint() + "  # sold");
  if (!listed || listed->expectNot(keys[0])) std::abort();
  return 0;
}
