// SPDX-License-Identifier: Apache-2.0
// minisign's signature and key files.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "verifier/authenticate/ed25519.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  if (const auto signature = verifier::parseMinisignSignature(file)) {
    if (signature->created() < 0 || !KeyFingerprint::parse(signature->keyFingerprint()))
      std::abort();
  }
  if (const auto key = verifier::parseMinisignKey(file)) {
    if (!key->fingerprint()) std::abort();
  }
  return 0;
}
