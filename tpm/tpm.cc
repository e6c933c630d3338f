// SPDX-License-Identifier: Apache-2.0
#include "tpm/tpm.h"

#include <algorithm>

#include "tpm/connection.h"

namespace airlock::tpm {

namespace {

std::string lettersOf(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char letter = static_cast<char>(value >> shift & 0xff);
    if (letter >= ' ' && letter <= '~') text.push_back(letter);
  }
  return text;
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

bool selects(const TPMS_PCR_SELECTION& bank, std::uint32_t pcr) {
  return pcr / 8 < bank.sizeofSelect && bank.sizeofSelect <= TPM2_PCR_SELECT_MAX &&
         (bank.pcrSelect[pcr / 8] >> (pcr % 8) & 1) != 0;
}

}  // namespace

Tpm::Tpm(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Tpm::Tpm(Tpm&&) noexcept = default;
Tpm& Tpm::operator=(Tpm&&) noexcept = default;
Tpm::~Tpm() = default;

Result<Tpm> Tpm::open(Fd device) { return Tpm(TRY(Connection::open(std::move(device)))); }

void Tpm::until(std::int64_t deadline) { connection_->until(deadline); }

Result<std::vector<std::uint16_t>> Tpm::activeBanks(std::uint32_t pcr) {
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection_->run("GetCapability(PCRS)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_PCRS, 0, 1, &more, &data, nullptr);
  }));
  const TPML_PCR_SELECTION& banks = data.data.assignedPCR;
  if (data.capability != TPM2_CAP_PCRS || banks.count > TPM2_NUM_PCR_BANKS) {
    return malformedAnswer("GetCapability(PCRS)");
  }
  std::vector<std::uint16_t> active;
  for (std::uint32_t i = 0; i < banks.count; ++i) {
    const TPMS_PCR_SELECTION& bank = banks.pcrSelections[i];
    if (!selects(bank, pcr)) continue;
    if (findHash(bank.hash) == nullptr) {
      return refuse(ErrorKind::Unsupported, "E_TPM_BANKS",
                    "the TPM has a PCR bank with algorithm " + hexOf(bank.hash) +
                        " active, which would stay unextended",
                    "allocate sha256 alone: tpm2_pcrallocate sha256:all, then reboot");
    }
    active.push_back(bank.hash);
  }
  std::ranges::sort(active);
  active.erase(std::ranges::unique(active).begin(), active.end());
  if (active.empty() || active == std::vector{kSha1}) {
    return refuse(ErrorKind::Unsupported, "E_TPM_BANKS",
                  "the TPM has no PCR bank active but " +
                      std::string(active.empty() ? "none" : "SHA-1, which proves nothing"),
                  "allocate one: tpm2_pcrallocate sha256:all, then reboot");
  }
  return active;
}

Result<Banks> Tpm::read(std::uint32_t pcr, const std::vector<std::uint16_t>& banks) {
  TPML_PCR_SELECTION wanted{};
  for (const std::uint16_t bank : banks) {
    TPMS_PCR_SELECTION& selection = wanted.pcrSelections[wanted.count++];
    selection.hash = bank;
    selection.sizeofSelect = 3;
    selection.pcrSelect[pcr / 8] = static_cast<BYTE>(1U << (pcr % 8));
  }
  TPML_PCR_SELECTION given{};
  TPML_DIGEST values{};
  UINT32 updates = 0;
  TRY(connection_->run("PCR_Read", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_PCR_Read(sys, nullptr, &wanted, &updates, &given, &values, nullptr);
  }));
  bool whole = given.count == wanted.count && values.count == wanted.count;
  Banks result;
  for (std::uint32_t i = 0; whole && i < values.count; ++i) {
    const TPM2B_DIGEST& value = values.digests[i];
    whole = given.pcrSelections[i].hash == banks[i] && selects(given.pcrSelections[i], pcr) &&
            value.size == findHash(banks[i])->bytes;
    if (whole) result.push_back({banks[i], Bytes(value.buffer, value.buffer + value.size)});
  }
  if (!whole) {
    return refuse(ErrorKind::Failed, "E_TPM_RESPONSE",
                  "the TPM did not give the register of every bank that it says is active",
                  "what answers there is not a working TPM: check [measure] in the configuration");
  }
  return result;
}

Result<void> Tpm::extend(std::uint32_t pcr, const Banks& digests) {
  TPML_DIGEST_VALUES values{};
  for (const BankValue& digest : digests) {
    TPMT_HA& value = values.digests[values.count++];
    value.hashAlg = digest.algorithm;
    // Every member of the union starts at the same address; the algorithm says how long it is.
    std::ranges::copy(digest.value, reinterpret_cast<BYTE*>(&value.digest));
  }
  TSS2L_SYS_AUTH_RESPONSE answer{};
  return connection_->run("PCR_Extend", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_PCR_Extend(sys, pcr, &kEmptyPassword, &values, &answer);
  });
}

Result<Tpm::Identity> Tpm::identify() {
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection_->run("GetCapability(TPM_PROPERTIES)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER, 5,
                                  &more, &data, nullptr);
  }));
  const TPML_TAGGED_TPM_PROPERTY& properties = data.data.tpmProperties;
  if (data.capability != TPM2_CAP_TPM_PROPERTIES || properties.count > TPM2_MAX_TPM_PROPERTIES) {
    return malformedAnswer("GetCapability(TPM_PROPERTIES)");
  }
  Identity identity;
  for (std::uint32_t i = 0; i < properties.count; ++i) {
    const TPMS_TAGGED_PROPERTY& property = properties.tpmProperty[i];
    if (property.property == TPM2_PT_MANUFACTURER) {
      identity.manufacturer = trimmed(lettersOf(property.value));
    } else if (property.property >= TPM2_PT_VENDOR_STRING_1 &&
               property.property <= TPM2_PT_VENDOR_STRING_4) {
      identity.vendor += lettersOf(property.value);
    }
  }
  identity.vendor = trimmed(identity.vendor);
  // libtpms, on which swtpm and QEMU's emulator stand.
  identity.software = identity.manufacturer == "IBM" && identity.vendor.starts_with("SW");
  return identity;
}

Result<Tpm::Counters> Tpm::counters() {
  TPMS_TIME_INFO time{};
  TRY(connection_->run("ReadClock", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_ReadClock(sys, nullptr, &time, nullptr);
  }));
  return Counters{time.clockInfo.resetCount, time.clockInfo.restartCount};
}

}  // namespace airlock::tpm
