// SPDX-License-Identifier: Apache-2.0
#include "tpm/tpm.h"

#include <poll.h>
#include <tss2/tss2_sys.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tpm/transport.h"

namespace airlock::tpm {

namespace {

// What tpm2-tss calls a TCTI: a table of functions, and the transport behind it.
struct Tcti {
  TSS2_TCTI_CONTEXT_COMMON_V1 table;  // first: tpm2-tss casts between the two
  Transport transport;
  std::optional<Error> error;  // of the last exchange
};

Tcti& tctiOf(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<Tcti*>(context); }

TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* command) {
  Tcti& tcti = tctiOf(context);
  auto sent = tcti.transport.send(std::span(command, size));
  if (sent) return TSS2_RC_SUCCESS;
  tcti.error = std::move(sent.error());
  return TSS2_TCTI_RC_IO_ERROR;
}

TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* response,
                std::int32_t) {
  Tcti& tcti = tctiOf(context);
  if (response == nullptr) {  // asks how much room the response needs
    *size = kTpmBufferBytes;
    return TSS2_RC_SUCCESS;
  }
  auto received = tcti.transport.receive(std::span(response, *size));
  if (received) {
    *size = *received;
    return TSS2_RC_SUCCESS;
  }
  tcti.error = std::move(received.error());
  return TSS2_TCTI_RC_IO_ERROR;
}

struct FinalizeSys {
  void operator()(TSS2_SYS_CONTEXT* context) const {
    Tss2_Sys_Finalize(context);
    std::free(context);
  }
};

constexpr TSS2L_SYS_AUTH_COMMAND kEmptyPassword{.count = 1,
                                                .auths = {{.sessionHandle = TPM2_RH_PW}}};

std::string hexOf(TSS2_RC code) {
  char text[16];
  static_cast<void>(std::snprintf(text, sizeof text, "0x%x", code));
  return text;
}

auto commandFailed(TSS2_RC code, const char* what) {
  if (code == TPM2_RC_FAILURE) {
    return refuse(ErrorKind::Failed, "E_TPM_FAILURE_MODE", "the TPM is in failure mode",
                  "reboot; if it stays so, the TPM is broken");
  }
  if (code == TPM2_RC_INITIALIZE) {
    return refuse(ErrorKind::Failed, "E_TPM_NOT_STARTED", "the TPM has not been started up",
                  "firmware does that at boot; for swtpm use --flags not-need-init,startup-clear");
  }
  if ((code & TSS2_RC_LAYER_MASK) != TSS2_TPM_RC_LAYER) {
    return refuse(
        ErrorKind::Failed, "E_TPM_RESPONSE",
        std::string("the TPM's answer to ") + what + " is malformed (" + hexOf(code) + ")",
        "what answers there is not a working TPM: check [measure] in the configuration");
  }
  return refuse(ErrorKind::Failed, "E_TPM_COMMAND",
                std::string("the TPM refused ") + what + " with code " + hexOf(code),
                "tpm2_rc_decode " + hexOf(code) + " says what that means");
}

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

struct Tpm::Connection {
  Tcti tcti;
  std::unique_ptr<TSS2_SYS_CONTEXT, FinalizeSys> sys;

  // Runs one command; TPM_RC_RETRY and its like mean that it was not executed (TPM 2.0 part
  // 2, 6.6.3).
  template <class Command>
  Result<void> run(const char* what, Command command) {
    constexpr int kTries = 5;
    for (int attempt = 1;; ++attempt) {
      tcti.error.reset();
      const TSS2_RC code = command(sys.get());
      if (code == TSS2_RC_SUCCESS) return {};
      if (tcti.error) return fail(*std::exchange(tcti.error, std::nullopt));
      const bool again =
          code == TPM2_RC_RETRY || code == TPM2_RC_YIELDED || code == TPM2_RC_TESTING;
      if (!again || attempt == kTries) return commandFailed(code, what);
      static_cast<void>(::poll(nullptr, 0, 10 * attempt));
    }
  }
};

Tpm::Tpm(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Tpm::Tpm(Tpm&&) noexcept = default;
Tpm& Tpm::operator=(Tpm&&) noexcept = default;
Tpm::~Tpm() = default;

Result<Tpm> Tpm::open(Fd device) {
  Transport transport = TRY(Transport::over(std::move(device)));
  constexpr std::uint64_t kMagic = 0x61697231'6f636b74;
  TSS2_TCTI_CONTEXT_COMMON_V1 table{};
  table.magic = kMagic;
  table.version = 1;
  table.transmit = transmit;
  table.receive = receive;
  std::unique_ptr<Connection> connection(
      new Connection{Tcti{table, std::move(transport), std::nullopt}, nullptr});

  const std::size_t size = Tss2_Sys_GetContextSize(kTpmBufferBytes);
  auto* memory = static_cast<TSS2_SYS_CONTEXT*>(std::calloc(1, size));
  if (memory == nullptr) return failErrno("allocate the TPM context");
  TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;
  const TSS2_RC code = Tss2_Sys_Initialize(
      memory, size, reinterpret_cast<TSS2_TCTI_CONTEXT*>(&connection->tcti), &version);
  if (code != TSS2_RC_SUCCESS) {
    std::free(memory);
    return fail(ErrorKind::Failed, "set up tpm2-tss: code " + hexOf(code));
  }
  connection->sys.reset(memory);
  return Tpm(std::move(connection));
}

Result<std::vector<std::uint16_t>> Tpm::activeBanks(std::uint32_t pcr) {
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection_->run("GetCapability(PCRS)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_PCRS, 0, 1, &more, &data, nullptr);
  }));
  const TPML_PCR_SELECTION& banks = data.data.assignedPCR;
  if (data.capability != TPM2_CAP_PCRS || banks.count > TPM2_NUM_PCR_BANKS) {
    return commandFailed(TSS2_SYS_RC_MALFORMED_RESPONSE, "GetCapability(PCRS)");
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
    return commandFailed(TSS2_SYS_RC_MALFORMED_RESPONSE, "GetCapability(TPM_PROPERTIES)");
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
