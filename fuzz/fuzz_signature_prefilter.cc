// SPDX-License-Identifier: Apache-2.0
// Signature and key files before GnuPG sees them: what is accepted must read the same after it was
// written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "verifier/authenticate/packets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  if (const auto signatures = verifier::parseSignatureFile(file)) {
    if (signatures->empty() || signatures->size() > limits::kSignatures) std::abort();
    std::string again;
    for (const auto& signature : *signatures) again += verifier::serialize(signature);
    const auto reread = verifier::parseSignatureFile(again);
    if (again.size() <= limits::kSignatureBytes && (!reread || *reread != *signatures))
      std::abort();
  }
  if (const auto key = verifier::parseKeyFile(file)) {
    if (verifier::parseKeyFile(*key) != *key) std::abort();
  }
  return 0;
}
