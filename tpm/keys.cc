// SPDX-License-Identifier: Apache-2.0
#include "tpm/keys.h"

#include <algorithm>

#include "tpm/nv.h"

namespace airlock::tpm {

namespace {

constexpr UINT16 kRsaBits = 2048;

// With noDA: a TPM that somebody locked by guessing at other keys goes on quoting.
TPM2B_PUBLIC attestationTemplate(bool ecc) {
  constexpr TPMT_SYM_DEF_OBJECT kNone{.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}};
  TPM2B_PUBLIC area{};
  TPMT_PUBLIC& key = area.publicArea;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                         TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                         TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;
  if (ecc) {
    key.type = TPM2_ALG_ECC;
    key.parameters.eccDetail = {
        .symmetric = kNone,
        .scheme = {.scheme = TPM2_ALG_ECDSA, .details = {.ecdsa = {.hashAlg = TPM2_ALG_SHA256}}},
        .curveID = TPM2_ECC_NIST_P256,
        .kdf = {.scheme = TPM2_ALG_NULL, .details = {}}};
  } else {
    key.type = TPM2_ALG_RSA;
    key.parameters.rsaDetail = {
        .symmetric = kNone,
        .scheme = {.scheme = TPM2_ALG_RSASSA, .details = {.rsassa = {.hashAlg = TPM2_ALG_SHA256}}},
        .keyBits = kRsaBits,
        .exponent = 0};
  }
  return area;
}

// The fields of a file of tpm2_makecredential: magic, version, TPM2B_ID_OBJECT,
// TPM2B_ENCRYPTED_SECRET.
struct Challenge {
  TPM2B_ID_OBJECT credential{};
  TPM2B_ENCRYPTED_SECRET secret{};
};
template <class Sized, std::size_t N>
bool takeSized(std::string_view& bytes, Sized& into, BYTE (&buffer)[N]) {
  if (bytes.size() < 2) return false;
  const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 |
                           static_cast<unsigned char>(bytes[1]);
  bytes.remove_prefix(2);
  if (size == 0 || size > N || size > bytes.size()) return false;
  into.size = static_cast<UINT16>(size);
  std::ranges::copy(bytes.substr(0, size), buffer);
  bytes.remove_prefix(size);
  return true;
}
Result<Challenge> parseChallenge(std::string_view bytes) {
  constexpr std::string_view kHeader("\xba\xdc\xc0\xde\0\0\0\1", 8);
  Challenge challenge;
  bool whole = bytes.starts_with(kHeader);
  if (whole) bytes.remove_prefix(kHeader.size());
  whole = whole && takeSized(bytes, challenge.credential, challenge.credential.credential) &&
          takeSized(bytes, challenge.secret, challenge.secret.secret) && bytes.empty();
  if (whole) return challenge;
  return refuse(ErrorKind::Invalid, "E_ATTEST_CHALLENGE",
                "this is no challenge: it is not as tpm2_makecredential writes them",
                "the verifier makes one: airlock attest challenge, or tpm2_makecredential");
}

}  // namespace

Result<std::optional<PublicKey>> readKey(Connection& connection, TPM2_HANDLE handle) {
  if (!TRY(exists(connection, handle))) return std::optional<PublicKey>();
  TPM2B_PUBLIC area{};
  TPM2B_NAME name{};
  TPM2B_NAME qualified{};
  TRY(connection.run("ReadPublic", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_ReadPublic(sys, handle, nullptr, &area, &name, &qualified, nullptr);
  }));
  return std::optional(TRY(publicKey(area, name, "ReadPublic")));
}

Result<LoadedKey> makeAttestationKey(Connection& connection, const EndorsementKey& parent,
                                     const Passwords& passwords) {
  const TPM2B_PUBLIC wanted = attestationTemplate(TRY(hasP256(connection)));
  const TPM2B_SENSITIVE_CREATE noSecret{};
  const TPM2B_DATA noInfo{};
  const TPML_PCR_SELECTION noRegisters{};
  TPM2B_PRIVATE privatePart{};
  TPM2B_PUBLIC area{};
  TSS2L_SYS_AUTH_RESPONSE answer{};
  {
    TPM2B_CREATION_DATA creation{};
    TPM2B_DIGEST creationHash{};
    TPMT_TK_CREATION ticket{};
    const EndorsementUse use = TRY(EndorsementUse::start(connection, parent, passwords));
    TRY(connection.run("Create", [&](TSS2_SYS_CONTEXT* sys) {
      return Tss2_Sys_Create(sys, parent.object.handle(), &use.authorisation(), &noSecret, &wanted,
                             &noInfo, &noRegisters, &privatePart, &area, &creation, &creationHash,
                             &ticket, &answer);
    }));
  }
  TPM2_HANDLE handle = 0;
  TPM2B_NAME name{};
  const EndorsementUse use = TRY(EndorsementUse::start(connection, parent, passwords));
  TRY(connection.run("Load", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_Load(sys, parent.object.handle(), &use.authorisation(), &privatePart, &area,
                         &handle, &name, &answer);
  }));
  Transient object(connection, handle);
  return LoadedKey{.object = std::move(object), .name = TRY(publicKey(area, name, "Load")).name};
}

namespace {
// One command both puts a key at a handle and frees it.
Result<void> evictControl(Connection& connection, TPM2_HANDLE key, const Bytes& name,
                          TPM2_HANDLE handle, const Passwords& passwords) {
  return runAs(
      connection, ownerOf(passwords), {"EvictControl", TPM2_CC_EvictControl, {name}},
      [&](TSS2_SYS_CONTEXT* sys) {
        return Tss2_Sys_EvictControl_Prepare(sys, TPM2_RH_OWNER, key, handle);
      },
      [&](TSS2_SYS_CONTEXT* sys, const TSS2L_SYS_AUTH_COMMAND* authorisation,
          TSS2L_SYS_AUTH_RESPONSE* answer) {
        return Tss2_Sys_EvictControl(sys, TPM2_RH_OWNER, key, authorisation, handle, answer);
      });
}
}  // namespace

Result<void> keep(Connection& connection, const LoadedKey& key, TPM2_HANDLE handle,
                  const Passwords& passwords) {
  return evictControl(connection, key.object.handle(), key.name, handle, passwords);
}

Result<void> evict(Connection& connection, const PublicKey& key, TPM2_HANDLE handle,
                   const Passwords& passwords) {
  return evictControl(connection, handle, key.name, handle, passwords);
}

Result<std::string> activate(Connection& connection, const EndorsementKey& endorsement,
                             TPM2_HANDLE handle, std::string_view bytes,
                             const Passwords& passwords) {
  const Challenge challenge = TRY(parseChallenge(bytes));
  const EndorsementUse use = TRY(EndorsementUse::start(connection, endorsement, passwords));
  TSS2L_SYS_AUTH_COMMAND authorisation = kEmptyPassword;  // of the attestation key
  authorisation.auths[1] = use.authorisation().auths[0];  // of the endorsement key
  authorisation.count = 2;
  TPM2B_DIGEST secret{};
  TSS2L_SYS_AUTH_RESPONSE answer{};
  auto activated = connection.run("ActivateCredential", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_ActivateCredential(sys, handle, endorsement.object.handle(), &authorisation,
                                       &challenge.credential, &challenge.secret, &secret, &answer);
  });
  if (!activated && activated.error().code() == "E_TPM_COMMAND") {
    return refuse(
        ErrorKind::Denied, "E_ATTEST_CHALLENGE",
        "the challenge is not for this TPM and its attestation key: " + activated.error().message(),
        "enroll this host again, and have the challenge made from its files");
  }
  TRY(std::move(activated));
  return std::string(reinterpret_cast<const char*>(secret.buffer), secret.size);
}

}  // namespace airlock::tpm
