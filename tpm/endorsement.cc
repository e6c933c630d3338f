// SPDX-License-Identifier: Apache-2.0
#include "tpm/endorsement.h"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "tpm/endorsement_template.h"
#include "tpm/fault.h"
#include "tpm/nv.h"

namespace airlock::tpm {

namespace {

// Without the padding behind it; empty when no DER sequence stands there.
std::string firstSequence(const std::string& bytes) {
  const auto at = [&](std::size_t i) -> std::size_t {
    return static_cast<unsigned char>(bytes[i]);
  };
  if (bytes.size() < 4 || at(0) != 0x30 || at(1) != 0x82) return {};
  const std::size_t size = 4 + (at(2) << 8 | at(3));
  return size <= bytes.size() ? bytes.substr(0, size) : std::string();
}

Result<std::optional<Certificate>> certificateAt(Connection& connection, std::uint32_t index,
                                                 const Passwords& passwords) {
  if (!TRY(exists(connection, index))) return std::optional<Certificate>();
  std::string der = firstSequence(TRY(readNv(connection, index, ownerOf(passwords))));
  if (der.empty()) return std::optional<Certificate>();
  return std::optional(Certificate{index, std::move(der)});
}

// The maker's template, else the profile's; with the maker's nonce in it.
Result<EndorsementTemplate> findTemplate(Connection& connection, const EndorsementSlot& slot,
                                         const Passwords& passwords) {
  EndorsementTemplate found = profileTemplate(slot);
  if (TRY(exists(connection, slot.area))) {
    found = TRY(makersTemplate(slot, TRY(readNv(connection, slot.area, ownerOf(passwords)))));
  }
  if (slot.nonce != 0 && TRY(exists(connection, slot.nonce))) {
    TRY(putNonce(found, slot, TRY(readNv(connection, slot.nonce, ownerOf(passwords)))));
  }
  return found;
}

// A session in which the password of the endorsement hierarchy has been told, as the key's policy
// demands.
Result<Transient> policySession(Connection& connection, const Passwords& passwords) {
  constexpr TPMT_SYM_DEF kNoEncryption{.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}};
  TPM2B_NONCE ours{.size = 16, .buffer = {}};
  if (::getrandom(ours.buffer, ours.size, 0) != ours.size) return failErrno("get random bytes");
  TPM2B_NONCE theirs{};
  TPM2B_ENCRYPTED_SECRET noSalt{};
  TPMI_SH_AUTH_SESSION handle = 0;
  TRY(connection.run("StartAuthSession", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_StartAuthSession(sys, TPM2_RH_NULL, TPM2_RH_NULL, nullptr, &ours, &noSalt,
                                     TPM2_SE_POLICY, &kNoEncryption, TPM2_ALG_SHA256, &handle,
                                     &theirs, nullptr);
  }));
  Transient session(connection, handle);
  const TPM2B_NONCE noNonce{};
  const TPM2B_DIGEST noParameters{};
  const TPM2B_NONCE noReference{};
  TPM2B_TIMEOUT timeout{};
  TPMT_TK_AUTH ticket{};
  TRY(runAs(
      connection, endorsementOf(passwords),
      {"PolicySecret", TPM2_CC_PolicySecret, {nameOf(handle)}},
      [&](TSS2_SYS_CONTEXT* sys) {
        return Tss2_Sys_PolicySecret_Prepare(sys, TPM2_RH_ENDORSEMENT, handle, &noNonce,
                                             &noParameters, &noReference, 0);
      },
      [&](TSS2_SYS_CONTEXT* sys, const TSS2L_SYS_AUTH_COMMAND* authorisation,
          TSS2L_SYS_AUTH_RESPONSE* answer) {
        return Tss2_Sys_PolicySecret(sys, TPM2_RH_ENDORSEMENT, handle, authorisation, &noNonce,
                                     &noParameters, &noReference, 0, &timeout, &ticket, answer);
      }));
  return session;
}

}  // namespace

bool EndorsementKey::isCertified() const {
  const std::string raw = rawKey(key.area);
  return certificate && !raw.empty() && certificate->der.find(raw) != std::string::npos;
}

Result<bool> hasP256(Connection& connection) {
  if (isFaultPoint("no-p256")) return false;  // swtpm cannot be made without
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection.run("GetCapability(ECC_CURVES)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_ECC_CURVES, TPM2_ECC_NIST_P256, 1, &more,
                                  &data, nullptr);
  }));
  const TPML_ECC_CURVE& curves = data.data.eccCurves;
  return data.capability == TPM2_CAP_ECC_CURVES && curves.count > 0 &&
         curves.eccCurves[0] == TPM2_ECC_NIST_P256;
}

Result<std::optional<Certificate>> readCertificate(Connection& connection,
                                                   const Passwords& passwords) {
  for (const EndorsementSlot& slot : kEndorsementSlots) {
    auto certificate = TRY(certificateAt(connection, slot.certificate, passwords));
    if (certificate) return certificate;
  }
  return std::optional<Certificate>();
}

Result<EndorsementKey> makeEndorsementKey(Connection& connection, const Passwords& passwords) {
  auto certificate = TRY(readCertificate(connection, passwords));
  const EndorsementSlot& slot =
      certificate ? slotOf(certificate->index) : usualSlot(TRY(hasP256(connection)));
  const EndorsementTemplate wanted = TRY(findTemplate(connection, slot, passwords));

  const TPM2B_SENSITIVE_CREATE noSecret{};
  const TPM2B_DATA noInfo{};
  const TPML_PCR_SELECTION noRegisters{};
  TPM2_HANDLE handle = 0;
  TPM2B_PUBLIC area{};
  TPM2B_CREATION_DATA creation{};
  TPM2B_DIGEST creationHash{};
  TPMT_TK_CREATION ticket{};
  TPM2B_NAME name{};
  TRY(runAs(
      connection, endorsementOf(passwords), {"CreatePrimary", TPM2_CC_CreatePrimary, {}},
      [&](TSS2_SYS_CONTEXT* sys) {
        return Tss2_Sys_CreatePrimary_Prepare(sys, TPM2_RH_ENDORSEMENT, &noSecret, &wanted.area,
                                              &noInfo, &noRegisters);
      },
      [&](TSS2_SYS_CONTEXT* sys, const TSS2L_SYS_AUTH_COMMAND* authorisation,
          TSS2L_SYS_AUTH_RESPONSE* answer) {
        return Tss2_Sys_CreatePrimary(sys, TPM2_RH_ENDORSEMENT, authorisation, &noSecret,
                                      &wanted.area, &noInfo, &noRegisters, &handle, &area,
                                      &creation, &creationHash, &ticket, &name, answer);
      }));
  Transient object(connection, handle);
  return EndorsementKey{.object = std::move(object),
                        .key = TRY(publicKey(area, name, "CreatePrimary")),
                        .kind = wanted.kind,
                        .certificate = std::move(certificate)};
}

Result<EndorsementUse> EndorsementUse::start(Connection& connection, const EndorsementKey& key,
                                             const Passwords& passwords) {
  EndorsementUse use;
  // Templates of the high range: by the key's own password, the empty one.
  if ((key.key.area.publicArea.objectAttributes & TPMA_OBJECT_USERWITHAUTH) != 0) return use;
  use.session_.emplace(TRY(policySession(connection, passwords)));
  use.authorisation_ = {.count = 1,
                        .auths = {{.sessionHandle = use.session_->handle(),
                                   .nonce = {},
                                   .sessionAttributes = TPMA_SESSION_CONTINUESESSION,
                                   .hmac = {}}}};
  return use;
}

}  // namespace airlock::tpm
