// SPDX-License-Identifier: Apache-2.0
#include "tpm/quote.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/digest.h"
#include "tpm/canonical.h"

namespace airlock::tpm {

namespace {

constexpr std::uint32_t kRegisters = 24;
constexpr BYTE kSelectBytes = 3;
constexpr std::uint32_t kUsual = 0xffff;
constexpr std::uint32_t kAll = 0xffffff;

std::uint32_t maskOf(const TPMS_PCR_SELECTION& bank) {
  return bank.pcrSelect[0] | static_cast<std::uint32_t>(bank.pcrSelect[1]) << 8 |
         static_cast<std::uint32_t>(bank.pcrSelect[2]) << 16;
}
TPMS_PCR_SELECTION bankOf(std::uint16_t algorithm, std::uint32_t mask) {
  return {.hash = algorithm,
          .sizeofSelect = kSelectBytes,
          .pcrSelect = {static_cast<BYTE>(mask), static_cast<BYTE>(mask >> 8),
                        static_cast<BYTE>(mask >> 16), 0}};
}

// The same registers in the same order; how long their bit fields are is the TPM's choice.
bool same(const TPML_PCR_SELECTION& one, const TPML_PCR_SELECTION& other) {
  if (one.count != other.count || one.count > TPM2_NUM_PCR_BANKS) return false;
  for (std::uint32_t i = 0; i < one.count; ++i) {
    const TPMS_PCR_SELECTION& a = one.pcrSelections[i];
    const TPMS_PCR_SELECTION& b = other.pcrSelections[i];
    if (a.hash != b.hash || maskOf(a) != maskOf(b)) return false;
  }
  return true;
}

// By bank: the registers that it has.
Result<std::map<std::uint16_t, std::uint32_t>> allocated(Connection& connection) {
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection.run("GetCapability(PCRS)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_PCRS, 0, 1, &more, &data, nullptr);
  }));
  const TPML_PCR_SELECTION& banks = data.data.assignedPCR;
  if (data.capability != TPM2_CAP_PCRS || banks.count > TPM2_NUM_PCR_BANKS) {
    return malformedAnswer("GetCapability(PCRS)");
  }
  std::map<std::uint16_t, std::uint32_t> registers;
  for (std::uint32_t i = 0; i < banks.count; ++i) {
    registers[banks.pcrSelections[i].hash] = maskOf(banks.pcrSelections[i]);
  }
  return registers;
}

// One PCR_Read: takes its values, and their registers out of `left`.  A TPM gives eight at a time,
// and says which.
Result<void> readSome(Connection& connection, TPML_PCR_SELECTION& left, RegisterValues& values) {
  TPML_PCR_SELECTION given{};
  TPML_DIGEST digests{};
  UINT32 updates = 0;
  TRY(connection.run("PCR_Read", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_PCR_Read(sys, nullptr, &left, &updates, &given, &digests, nullptr);
  }));
  std::uint32_t taken = 0;
  if (given.count != left.count || digests.count > std::size(digests.digests)) {
    return malformedAnswer("PCR_Read");
  }
  for (std::uint32_t i = 0; i < given.count; ++i) {
    const std::uint16_t bank = left.pcrSelections[i].hash;
    const std::uint32_t asked = maskOf(left.pcrSelections[i]);
    const std::uint32_t got = maskOf(given.pcrSelections[i]);
    if (given.pcrSelections[i].hash != bank || (got & ~asked) != 0) {
      return malformedAnswer("PCR_Read");
    }
    for (std::uint32_t pcr = 0; pcr < kRegisters; ++pcr) {
      if ((got >> pcr & 1) == 0) continue;
      if (taken == digests.count) return malformedAnswer("PCR_Read");
      const TPM2B_DIGEST& digest = digests.digests[taken++];
      if (digest.size != findHash(bank)->bytes) return malformedAnswer("PCR_Read");
      values[{bank, pcr}] = Bytes(digest.buffer, digest.buffer + digest.size);
    }
    left.pcrSelections[i] = bankOf(bank, asked & ~got);
  }
  if (taken == 0 || taken != digests.count) return malformedAnswer("PCR_Read");
  return {};
}

Result<RegisterValues> readAll(Connection& connection, TPML_PCR_SELECTION selection) {
  RegisterValues values;
  for (;;) {
    TPML_PCR_SELECTION left{};
    for (const TPMS_PCR_SELECTION& bank : std::span(selection.pcrSelections, selection.count)) {
      if (maskOf(bank) != 0) left.pcrSelections[left.count++] = bank;
    }
    if (left.count == 0) return values;
    TRY(readSome(connection, left, values));
    selection = left;
  }
}

// What the TPM signs for these values: their hash, in the selection's order (TPM 2.0 part
// 2, 10.12.1).
Bytes digestOf(const TPML_PCR_SELECTION& selection, const RegisterValues& values) {
  Bytes all;
  for (std::uint32_t i = 0; i < selection.count; ++i) {
    for (std::uint32_t pcr = 0; pcr < kRegisters; ++pcr) {
      if ((maskOf(selection.pcrSelections[i]) >> pcr & 1) == 0) continue;
      const Bytes& value = values.at({selection.pcrSelections[i].hash, pcr});
      all.insert(all.end(), value.begin(), value.end());
    }
  }
  return hash(kSha256, all);
}

struct Signed {
  TPM2B_ATTEST bytes{};
  TPMS_ATTEST content{};
  TPMT_SIGNATURE signature{};
};

Result<Signed> sign(Connection& connection, TPM2_HANDLE handle, std::string_view nonce,
                    const TPML_PCR_SELECTION& selection) {
  TPM2B_DATA qualifying{};
  qualifying.size = static_cast<UINT16>(nonce.size());
  std::ranges::copy(nonce, qualifying.buffer);
  const TPMT_SIG_SCHEME ofTheKey{.scheme = TPM2_ALG_NULL, .details = {}};
  Signed made;
  TSS2L_SYS_AUTH_RESPONSE answer{};
  TRY(connection.run("Quote", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_Quote(sys, handle, &kEmptyPassword, &qualifying, &ofTheKey, &selection,
                          &made.bytes, &made.signature, &answer);
  }));
  std::size_t offset = 0;
  const bool read = Tss2_MU_TPMS_ATTEST_Unmarshal(made.bytes.attestationData, made.bytes.size,
                                                  &offset, &made.content) == TSS2_RC_SUCCESS;
  const TPM2B_DATA& extra = made.content.extraData;
  if (!read || offset != made.bytes.size || made.content.magic != TPM2_GENERATED_VALUE ||
      made.content.type != TPM2_ST_ATTEST_QUOTE ||
      std::string_view(reinterpret_cast<const char*>(extra.buffer), extra.size) != nonce ||
      !same(made.content.attested.quote.pcrSelect, selection)) {
    return malformedAnswer("Quote");
  }
  return made;
}

Result<std::string> encode(const TPMT_SIGNATURE& signature) {
  std::array<BYTE, sizeof(TPMT_SIGNATURE)> buffer{};
  std::size_t size = 0;
  if (Tss2_MU_TPMT_SIGNATURE_Marshal(&signature, buffer.data(), buffer.size(), &size) !=
      TSS2_RC_SUCCESS) {
    return malformedAnswer("Quote");
  }
  return std::string(reinterpret_cast<const char*>(buffer.data()), size);
}

}  // namespace

Result<TPML_PCR_SELECTION> selectRegisters(Connection& connection,
                                           const std::vector<ipc::PcrSelection>& asked,
                                           std::uint32_t ours,
                                           const std::vector<std::uint16_t>& banks) {
  const std::map<std::uint16_t, std::uint32_t> there = TRY(allocated(connection));
  std::map<std::uint16_t, std::uint32_t> wanted;
  for (const ipc::PcrSelection& one : asked) {
    const HashAlgorithm* algorithm = findHash(std::string_view(one.algorithm));
    const auto found = algorithm == nullptr ? there.end() : there.find(algorithm->id);
    if (found == there.end() || (one.registers & ~found->second) != 0) {
      return refuse(ErrorKind::Invalid, "E_ATTEST_SELECTION",
                    "this TPM has not all the registers asked for in a bank " + one.algorithm,
                    "tpm2_getcap pcrs shows those that it has");
    }
    wanted[algorithm->id] |= one.registers;
  }
  for (const std::uint16_t bank : banks) {
    const auto found = there.find(bank);
    // It said a moment ago that it has them.
    if (found == there.end() || (found->second >> ours & 1) == 0) {
      return malformedAnswer("GetCapability(PCRS)");
    }
    // The first that is not SHA-1 has the lowest number of them: SHA-256, where that is active.
    if (asked.empty() && wanted.empty() && bank != kSha1) wanted[bank] = kUsual & found->second;
  }
  for (const std::uint16_t bank : banks) wanted[bank] |= 1U << ours;
  TPML_PCR_SELECTION selection{};
  for (const auto& [bank, mask] : wanted) {
    selection.pcrSelections[selection.count++] = bankOf(bank, mask & kAll);
  }
  return selection;
}

Result<Quote> quote(Connection& connection, TPM2_HANDLE handle, std::string_view nonce,
                    const TPML_PCR_SELECTION& selection) {
  constexpr int kTries = 5;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const Signed made = TRY(sign(connection, handle, nonce, selection));
    Quote whole{.attest = std::string(reinterpret_cast<const char*>(made.bytes.attestationData),
                                      made.bytes.size),
                .signature = TRY(encode(made.signature)),
                .values = TRY(readAll(connection, selection))};
    const TPM2B_DIGEST& quoted = made.content.attested.quote.pcrDigest;
    if (std::ranges::equal(
            digestOf(selection, whole.values),
            std::span(quoted.buffer, std::min<std::size_t>(quoted.size, sizeof quoted.buffer)))) {
      return whole;
    }
  }
  return refuse(ErrorKind::Busy, "E_ATTEST_BUSY",
                "a register that was to be quoted does not stop changing",
                "ask for fewer registers: --pcrs");
}

std::string valuesJson(const RegisterValues& values) {
  Json banks = Json::object();
  for (const auto& [at, value] : values) {
    banks[std::string(findHash(at.first)->name)][std::to_string(at.second)] = toHex(value);
  }
  return canonical(banks);
}

}  // namespace airlock::tpm
