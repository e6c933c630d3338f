// SPDX-License-Identifier: Apache-2.0
// What an endorsement key is made from (TCG EK Credential Profile 2.5, 2.2.1 and annex B).  The
// measuring process only.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::tpm {

// Where in NV memory a maker keeps what belongs to one kind of key.
struct EndorsementSlot {
  std::uint32_t certificate;
  std::uint32_t nonce;  // 0: the high range has none
  std::uint32_t area;   // the template, if it is not the profile's
  bool ecc;             // P-256; else RSA 2048
  bool high;
  const char* kind;  // by the profile's template
};
// In the order in which a certificate is looked for.  Keys of other curves and sizes are not ours:
// a challenge for them needs other algorithms.
inline constexpr std::array<EndorsementSlot, 4> kEndorsementSlots{
    {{0x01c0000a, 0x01c0000b, 0x01c0000c, true, false, "ECC P-256, template L-2"},
     {0x01c00002, 0x01c00003, 0x01c00004, false, false, "RSA 2048, template L-1"},
     {0x01c00014, 0, 0x01c00015, true, true, "ECC P-256, template H-2"},
     {0x01c00012, 0, 0x01c00013, false, true, "RSA 2048, template H-1"}}};
// `certificate` is one of theirs.
const EndorsementSlot& slotOf(std::uint32_t certificate);
// For a TPM without a certificate.
const EndorsementSlot& usualSlot(bool ecc);

struct EndorsementTemplate {
  TPM2B_PUBLIC area{};
  std::string kind;  // for people
};
EndorsementTemplate profileTemplate(const EndorsementSlot& slot);
// From the bytes of a TPMT_PUBLIC.  E_ATTEST_TEMPLATE
Result<EndorsementTemplate> makersTemplate(const EndorsementSlot& slot, std::string_view bytes);
// E_ATTEST_TEMPLATE: it is longer than what the key has room for.
Result<void> putNonce(EndorsementTemplate& into, const EndorsementSlot& slot,
                      std::string_view nonce);

}  // namespace airlock::tpm
