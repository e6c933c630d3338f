// SPDX-License-Identifier: Apache-2.0
// The TPM's structures in evidence: a quote, a signature, a public area.  The first byte chooses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attest/credential.h"
#include "attest/key.h"
#include "attest/refusal.h"
#include "attest/structures.h"

using namespace airlock::attest;  // NOLINT: one program, one subject

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ::setenv("TSS2_LOG", "all+NONE", 1);
  prepareOpenssl();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int initialised = LLVMFuzzerInitialize(nullptr, nullptr);
  if (size == 0 || initialised != 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 3 == 0) {
    std::size_t trailing = 0;
    const auto quote = parseQuote(bytes, trailing);
    if (!quote && !isVerdict(quote.error())) std::abort();
    if (quote && trailing >= bytes.size()) std::abort();
  } else if (data[0] % 3 == 1) {
    const auto signature = parseSignature(bytes);
    if (!signature && !isVerdict(signature.error())) std::abort();
  } else {
    const auto area = parsePublicArea(bytes);
    if (!area && !isVerdict(area.error())) std::abort();
    if (!area) return 0;
    static_cast<void>(whyNoAttestationKey(*area));
    const auto key = Key::fromArea(*area);
    if (key && key->fingerprint().size() != 71) std::abort();
  }
  return 0;
}
