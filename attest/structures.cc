// SPDX-License-Identifier: Apache-2.0
#include "attest/structures.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>

#include "attest/refusal.h"
#include "base/limits.h"

namespace airlock::attest {

namespace {

constexpr std::string_view kGenerated("\xff\x54\x43\x47", 4);  // TPM_GENERATED_VALUE
constexpr std::string_view kQuoteType("\x80\x18", 2);          // TPM_ST_ATTEST_QUOTE

std::unexpected<Error> malformed(std::string_view what) {
  return refuseEvidence("E_ATTEST_STRUCTURE",
                        std::string(what) + " is not the structure that a TPM writes");
}

const std::uint8_t* octets(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

// Reads a structure from the start of `bytes`, and says how long it was.  tss2-mu accepts more than
// one spelling of some; only the one that it writes itself counts.
template <class Struct, class Unmarshal, class Marshal>
Result<std::size_t> readStrictly(std::string_view bytes, std::string_view what, Struct& structure,
                                 Unmarshal unmarshal, Marshal marshal) {
  if (bytes.size() > limits::kQuoteBytes) return malformed(what);
  structure = Struct{};
  std::size_t used = 0;
  if (unmarshal(octets(bytes), bytes.size(), &used, &structure) != TSS2_RC_SUCCESS ||
      used > bytes.size()) {
    return malformed(what);
  }
  std::array<std::uint8_t, limits::kQuoteBytes> again{};
  std::size_t written = 0;
  if (marshal(&structure, again.data(), again.size(), &written) != TSS2_RC_SUCCESS ||
      written != used || !std::equal(again.data(), again.data() + written, octets(bytes))) {
    return malformed(what);
  }
  return used;
}

template <class Sized>
std::string bufferOf(const Sized& sized) {
  const auto size = std::min<std::size_t>(sized.size, sizeof sized.buffer);
  return {reinterpret_cast<const char*>(sized.buffer), size};
}

std::string nameOf(const TPM2B_NAME& name) {
  const auto size = std::min<std::size_t>(name.size, sizeof name.name);
  return {reinterpret_cast<const char*>(name.name), size};
}

Result<std::vector<Selection>> selectionsOf(const TPML_PCR_SELECTION& list) {
  std::vector<Selection> selections;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(list.count, TPM2_NUM_PCR_BANKS); ++i) {
    const TPMS_PCR_SELECTION& from = list.pcrSelections[i];
    Selection& to = selections.emplace_back(Selection{from.hash, {}});
    for (std::uint32_t bit = 0; bit < from.sizeofSelect * 8U; ++bit) {
      if ((from.pcrSelect[bit / 8] >> (bit % 8) & 1) != 0) to.registers.insert(bit);
    }
  }
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const auto same = [&](const Selection& other) { return other.bank == selections[i].bank; };
    if (std::ranges::count_if(selections, same) != 1) {
      return refuseEvidence("E_ATTEST_SELECTION", "the quote selects one bank twice");
    }
  }
  return selections;
}

std::string computeName(const TPMT_PUBLIC& area) {
  std::array<std::uint8_t, sizeof(TPMT_PUBLIC)> bytes{};
  std::size_t size = 0;
  if (Tss2_MU_TPMT_PUBLIC_Marshal(&area, bytes.data(), bytes.size(), &size) != TSS2_RC_SUCCESS ||
      tpm::findHash(area.nameAlg) == nullptr) {
    return {};
  }
  const tpm::Bytes digest =
      tpm::hash(area.nameAlg, std::span<const std::uint8_t>(bytes.data(), size));
  std::string name{static_cast<char>(area.nameAlg >> 8), static_cast<char>(area.nameAlg & 0xff)};
  return name.append(digest.begin(), digest.end());
}

void readEcc(const TPMT_PUBLIC& from, PublicArea& to) {
  const TPMS_ECC_PARMS& parameters = from.parameters.eccDetail;
  if (parameters.curveID != TPM2_ECC_NIST_P256) return;
  to.kind = PublicArea::Kind::EccP256;
  to.first = bufferOf(from.unique.ecc.x);
  to.second = bufferOf(from.unique.ecc.y);
  to.signsSha256 = parameters.scheme.scheme == TPM2_ALG_ECDSA &&
                   parameters.scheme.details.ecdsa.hashAlg == TPM2_ALG_SHA256;
  to.wrapsAes128 = parameters.symmetric.algorithm == TPM2_ALG_AES &&
                   parameters.symmetric.keyBits.aes == 128 &&
                   parameters.symmetric.mode.aes == TPM2_ALG_CFB;
}

void readRsa(const TPMT_PUBLIC& from, PublicArea& to) {
  constexpr std::uint32_t kUsualExponent = 65537;  // what 0 stands for
  const TPMS_RSA_PARMS& parameters = from.parameters.rsaDetail;
  to.kind = PublicArea::Kind::Rsa;
  to.first = bufferOf(from.unique.rsa);
  to.exponent = parameters.exponent == 0 ? kUsualExponent : parameters.exponent;
  to.signsSha256 = parameters.scheme.scheme == TPM2_ALG_RSASSA &&
                   parameters.scheme.details.rsassa.hashAlg == TPM2_ALG_SHA256;
  to.wrapsAes128 = parameters.symmetric.algorithm == TPM2_ALG_AES &&
                   parameters.symmetric.keyBits.aes == 128 &&
                   parameters.symmetric.mode.aes == TPM2_ALG_CFB;
}

}  // namespace

Result<Quote> parseQuote(std::string_view bytes, std::size_t& trailing) {
  trailing = 0;
  // First of all: what does not begin like this was not made by a TPM of what it knows, but may be
  // any bytes that a key without restriction signed (M05).
  if (!bytes.starts_with(kGenerated)) {
    return refuseEvidence("E_ATTEST_MAGIC",
                          "what was signed does not say that the TPM itself made it: it is forged",
                          "do not use tpm2_checkquote 5.4 to decide: it accepts this");
  }
  if (bytes.substr(kGenerated.size(), kQuoteType.size()) != kQuoteType) {
    return refuseEvidence("E_ATTEST_TYPE", "what was signed is no quote of registers");
  }
  TPMS_ATTEST attest;
  const std::size_t used = TRY(readStrictly(
      bytes, "the quote", attest, Tss2_MU_TPMS_ATTEST_Unmarshal, Tss2_MU_TPMS_ATTEST_Marshal));
  trailing = bytes.size() - used;
  if (attest.clockInfo.safe != 0 && attest.clockInfo.safe != 1) return malformed("the quote");
  return Quote{.nonce = bufferOf(attest.extraData),
               .selections = TRY(selectionsOf(attest.attested.quote.pcrSelect)),
               .registersDigest = bufferOf(attest.attested.quote.pcrDigest),
               .qualifiedSigner = nameOf(attest.qualifiedSigner),
               .clock = attest.clockInfo.clock,
               .resets = attest.clockInfo.resetCount,
               .restarts = attest.clockInfo.restartCount,
               .safe = attest.clockInfo.safe == 1,
               .firmwareVersion = attest.firmwareVersion};
}

Result<Signature> parseSignature(std::string_view bytes) {
  TPMT_SIGNATURE from;
  const std::size_t used =
      TRY(readStrictly(bytes, "the signature", from, Tss2_MU_TPMT_SIGNATURE_Unmarshal,
                       Tss2_MU_TPMT_SIGNATURE_Marshal));
  if (used != bytes.size()) {
    return refuseEvidence("E_ATTEST_TRAILING", "something follows the signature in its file");
  }
  if (from.sigAlg == TPM2_ALG_ECDSA && from.signature.ecdsa.hash == TPM2_ALG_SHA256) {
    return Signature{Signature::Scheme::Ecdsa, bufferOf(from.signature.ecdsa.signatureR),
                     bufferOf(from.signature.ecdsa.signatureS)};
  }
  if (from.sigAlg == TPM2_ALG_RSASSA && from.signature.rsassa.hash == TPM2_ALG_SHA256) {
    return Signature{Signature::Scheme::Rsassa, bufferOf(from.signature.rsassa.sig), {}};
  }
  return refuseEvidence("E_ATTEST_SCHEME",
                        "the signature is neither ECDSA nor RSASSA with SHA-256");
}

Result<PublicArea> parsePublicArea(std::string_view bytes) {
  TPM2B_PUBLIC from;
  const std::size_t used =
      TRY(readStrictly(bytes, "a key's public area", from, Tss2_MU_TPM2B_PUBLIC_Unmarshal,
                       Tss2_MU_TPM2B_PUBLIC_Marshal));
  if (used != bytes.size()) {
    return refuseEvidence("E_ATTEST_TRAILING", "something follows a key's public area in its file");
  }
  const TPMT_PUBLIC& area = from.publicArea;
  const auto has = [&](TPMA_OBJECT bit) { return (area.objectAttributes & bit) != 0; };
  PublicArea to{.restricted = has(TPMA_OBJECT_RESTRICTED),
                .signs = has(TPMA_OBJECT_SIGN_ENCRYPT),
                .decrypts = has(TPMA_OBJECT_DECRYPT),
                .fixedToTpm = has(TPMA_OBJECT_FIXEDTPM),
                .fixedToParent = has(TPMA_OBJECT_FIXEDPARENT),
                .madeByTpm = has(TPMA_OBJECT_SENSITIVEDATAORIGIN),
                .nameHash = area.nameAlg,
                .name = computeName(area)};
  if (area.type == TPM2_ALG_ECC) readEcc(area, to);
  if (area.type == TPM2_ALG_RSA) readRsa(area, to);
  return to;
}

}  // namespace airlock::attest
