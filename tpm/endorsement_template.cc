// SPDX-License-Identifier: Apache-2.0
#include "tpm/endorsement_template.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "tpm/connection.h"

namespace airlock::tpm {

namespace {

constexpr UINT16 kPolicyBytes = 32;
using Policy = std::array<BYTE, kPolicyBytes>;
// PolicySecret(TPM_RH_ENDORSEMENT): who may use the key (B.6.2, policy A).
constexpr Policy kPolicyA = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
                             0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
                             0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};
// That, or whom a policy in NV memory names (B.6.4, policy B).
constexpr Policy kPolicyB = {0xca, 0x3d, 0x0a, 0x99, 0xa2, 0xb9, 0x39, 0x06, 0xf7, 0xa3, 0x34,
                             0x24, 0x14, 0xef, 0xcf, 0xb3, 0xa3, 0x85, 0xd4, 0x4c, 0xd1, 0xfd,
                             0x45, 0x90, 0x89, 0xd1, 0x9b, 0x50, 0x71, 0xc0, 0xb7, 0xa0};
constexpr UINT16 kRsaBits = 2048;
constexpr UINT16 kRsaBytes = kRsaBits / 8;
constexpr UINT16 kCoordinateBytes = 32;
constexpr TPMT_SYM_DEF_OBJECT kAes128{
    .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
// What makes it an endorsement key: it never leaves its TPM and does nothing but decrypt for it.
constexpr TPMA_OBJECT kEndorsement = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                     TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                     TPMA_OBJECT_DECRYPT;

void setPolicy(TPMT_PUBLIC& key, const Policy& policy) {
  key.authPolicy.size = kPolicyBytes;
  std::ranges::copy(policy, key.authPolicy.buffer);
}

// unique: zeros where the profile's low range wants them, nothing in the high range.
void setKind(TPMT_PUBLIC& key, bool ecc, bool zeros) {
  if (ecc) {
    key.type = TPM2_ALG_ECC;
    key.parameters.eccDetail = {.symmetric = kAes128,
                                .scheme = {.scheme = TPM2_ALG_NULL, .details = {}},
                                .curveID = TPM2_ECC_NIST_P256,
                                .kdf = {.scheme = TPM2_ALG_NULL, .details = {}}};
    key.unique.ecc.x.size = zeros ? kCoordinateBytes : 0;
    key.unique.ecc.y.size = zeros ? kCoordinateBytes : 0;
  } else {
    key.type = TPM2_ALG_RSA;
    key.parameters.rsaDetail = {.symmetric = kAes128,
                                .scheme = {.scheme = TPM2_ALG_NULL, .details = {}},
                                .keyBits = kRsaBits,
                                .exponent = 0};
    key.unique.rsa.size = zeros ? kRsaBytes : 0;
  }
}

std::unexpected<Error> badTemplate(const EndorsementSlot& slot, const std::string& why) {
  return refuse(ErrorKind::Unsupported, "E_ATTEST_TEMPLATE",
                "the TPM's maker left a template for its endorsement key at " + hexOf(slot.area) +
                    " that cannot be used: " + why,
                "the key of its certificate can be made by that template alone; ask the maker");
}

// An index may be larger than what is in it: zeros, or what was never written.
bool isPadding(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == bytes.npos ||
         bytes.find_first_not_of('\xff') == bytes.npos;
}

bool isOfKind(const TPMT_PUBLIC& key, bool ecc) {
  if (ecc) {
    return key.type == TPM2_ALG_ECC && key.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256;
  }
  return key.type == TPM2_ALG_RSA && key.parameters.rsaDetail.keyBits == kRsaBits;
}

}  // namespace

const EndorsementSlot& slotOf(std::uint32_t certificate) {
  return *std::ranges::find(kEndorsementSlots, certificate, &EndorsementSlot::certificate);
}
const EndorsementSlot& usualSlot(bool ecc) { return kEndorsementSlots[ecc ? 0 : 1]; }

EndorsementTemplate profileTemplate(const EndorsementSlot& slot) {
  EndorsementTemplate result{.area = {}, .kind = slot.kind};
  TPMT_PUBLIC& key = result.area.publicArea;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = kEndorsement | TPMA_OBJECT_ADMINWITHPOLICY;
  if (slot.high) key.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
  setPolicy(key, slot.high ? kPolicyB : kPolicyA);
  setKind(key, slot.ecc, !slot.high);
  return result;
}

Result<EndorsementTemplate> makersTemplate(const EndorsementSlot& slot, std::string_view bytes) {
  EndorsementTemplate result{.area = {},
                             .kind = std::string(slot.ecc ? "ECC P-256" : "RSA 2048") +
                                     ", the maker's template at " + hexOf(slot.area)};
  TPMT_PUBLIC& key = result.area.publicArea;
  std::size_t read = 0;
  if (Tss2_MU_TPMT_PUBLIC_Unmarshal(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                    bytes.size(), &read, &key) != TSS2_RC_SUCCESS ||
      !isPadding(bytes.substr(read))) {
    return badTemplate(slot, "it is no TPMT_PUBLIC");
  }
  if (!isOfKind(key, slot.ecc)) return badTemplate(slot, "it is of another kind of key");
  if ((key.objectAttributes & (kEndorsement | TPMA_OBJECT_SIGN_ENCRYPT)) != kEndorsement) {
    return badTemplate(slot, "it is none of an endorsement key");
  }
  if (key.nameAlg != TPM2_ALG_SHA256) return badTemplate(slot, "its names are not of SHA-256");
  const bool byPolicyA =
      key.authPolicy.size == kPolicyA.size() &&
      std::ranges::equal(kPolicyA, std::span(key.authPolicy.buffer, kPolicyA.size()));
  if ((key.objectAttributes & TPMA_OBJECT_USERWITHAUTH) == 0 && !byPolicyA) {
    return badTemplate(slot, "whom its policy lets use the key is not known to us");
  }
  return result;
}

Result<void> putNonce(EndorsementTemplate& into, const EndorsementSlot& slot,
                      std::string_view nonce) {
  TPMU_PUBLIC_ID& unique = into.area.publicArea.unique;
  const std::size_t room = slot.ecc ? kCoordinateBytes : kRsaBytes;
  if (nonce.size() > room) {
    return refuse(ErrorKind::Unsupported, "E_ATTEST_TEMPLATE",
                  "the TPM's maker left a nonce for its endorsement key at " + hexOf(slot.nonce) +
                      " that is longer than the key has room for",
                  "the key of its certificate can be made by that nonce alone; ask the maker");
  }
  std::memset(&unique, 0, sizeof unique);
  if (slot.ecc) {
    unique.ecc.x.size = unique.ecc.y.size = kCoordinateBytes;
    std::ranges::copy(nonce, unique.ecc.x.buffer);
  } else {
    unique.rsa.size = kRsaBytes;
    std::ranges::copy(nonce, unique.rsa.buffer);
  }
  into.kind += ", with the maker's nonce";
  return {};
}

}  // namespace airlock::tpm
