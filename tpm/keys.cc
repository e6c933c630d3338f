// SPDX-License-Identifier: Apache-2.0
#include "tpm/keys.h"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "tpm/fault.h"

namespace airlock::tpm {

namespace {

// PolicySecret(TPM_RH_ENDORSEMENT): who may use the endorsement key (EK Credential Profile, B.2).
constexpr std::array<BYTE, 32> kEndorsementPolicy = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};
constexpr std::uint32_t kRsaCertificate = 0x01c00002;
constexpr std::uint32_t kEccCertificate = 0x01c0000a;
constexpr UINT16 kRsaBits = 2048;
constexpr UINT16 kNvChunkBytes = 512;  // every TPM reads so much of its NV memory at once

TPM2B_PUBLIC endorsementTemplate() {
  TPM2B_PUBLIC area{};
  TPMT_PUBLIC& key = area.publicArea;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                         TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                         TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  key.authPolicy.size = kEndorsementPolicy.size();
  std::ranges::copy(kEndorsementPolicy, key.authPolicy.buffer);
  return area;
}
constexpr TPMT_SYM_DEF_OBJECT kAes128{
    .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};

TPM2B_PUBLIC rsaEndorsement() {  // template L-1
  TPM2B_PUBLIC area = endorsementTemplate();
  TPMT_PUBLIC& key = area.publicArea;
  key.type = TPM2_ALG_RSA;
  key.parameters.rsaDetail = {.symmetric = kAes128,
                              .scheme = {.scheme = TPM2_ALG_NULL, .details = {}},
                              .keyBits = kRsaBits,
                              .exponent = 0};
  key.unique.rsa.size = kRsaBits / 8;  // zeros
  return area;
}
TPM2B_PUBLIC eccEndorsement() {  // template L-2
  TPM2B_PUBLIC area = endorsementTemplate();
  TPMT_PUBLIC& key = area.publicArea;
  key.type = TPM2_ALG_ECC;
  key.parameters.eccDetail = {.symmetric = kAes128,
                              .scheme = {.scheme = TPM2_ALG_NULL, .details = {}},
                              .curveID = TPM2_ECC_NIST_P256,
                              .kdf = {.scheme = TPM2_ALG_NULL, .details = {}}};
  key.unique.ecc.x.size = 32;  // zeros
  key.unique.ecc.y.size = 32;
  return area;
}

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

// Whether there is something at this handle: asked for, since an error could mean anything.
Result<bool> exists(Connection& connection, TPM2_HANDLE handle) {
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection.run("GetCapability(HANDLES)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_HANDLES, handle, 1, &more, &data, nullptr);
  }));
  const TPML_HANDLE& handles = data.data.handles;
  if (data.capability != TPM2_CAP_HANDLES || handles.count > TPM2_MAX_CAP_HANDLES) {
    return malformedAnswer("GetCapability(HANDLES)");
  }
  return handles.count > 0 && handles.handle[0] == handle;
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

Result<std::string> readNv(Connection& connection, std::uint32_t index) {
  TPM2B_NV_PUBLIC area{};
  TPM2B_NAME name{};
  TRY(connection.run("NV_ReadPublic", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_NV_ReadPublic(sys, index, nullptr, &area, &name, nullptr);
  }));
  const UINT16 size = area.nvPublic.dataSize;
  if (size > limits::kCertificateBytes) {
    return refuse(
        ErrorKind::Unsupported, "E_ATTEST_CERTIFICATE",
        "the certificate at " + hexOf(index) + " has " + std::to_string(size) + " bytes: too many");
  }
  const TPM2_HANDLE owner =
      (area.nvPublic.attributes & TPMA_NV_AUTHREAD) != 0 ? index : TPM2_RH_OWNER;
  std::string content;
  while (content.size() < size) {
    const auto offset = static_cast<UINT16>(content.size());
    const auto wanted = static_cast<UINT16>(std::min<int>(kNvChunkBytes, size - offset));
    TPM2B_MAX_NV_BUFFER chunk{};
    TSS2L_SYS_AUTH_RESPONSE answer{};
    TRY(connection.run("NV_Read", [&](TSS2_SYS_CONTEXT* sys) {
      return Tss2_Sys_NV_Read(sys, owner, index, &kEmptyPassword, wanted, offset, &chunk, &answer);
    }));
    if (chunk.size != wanted) return malformedAnswer("NV_Read");
    content.append(reinterpret_cast<const char*>(chunk.buffer), chunk.size);
  }
  return content;
}

// Without the padding behind it; empty when no DER sequence stands there.
std::string firstSequence(const std::string& bytes) {
  const auto at = [&](std::size_t i) -> std::size_t {
    return static_cast<unsigned char>(bytes[i]);
  };
  if (bytes.size() < 4 || at(0) != 0x30 || at(1) != 0x82) return {};
  const std::size_t size = 4 + (at(2) << 8 | at(3));
  return size <= bytes.size() ? bytes.substr(0, size) : std::string();
}

Result<std::optional<Certificate>> certificateAt(Connection& connection, std::uint32_t index) {
  if (!TRY(exists(connection, index))) return std::optional<Certificate>();
  std::string der = firstSequence(TRY(readNv(connection, index)));
  if (der.empty()) return std::optional<Certificate>();
  return std::optional(Certificate{index, std::move(der)});
}

// A session in which the endorsement hierarchy's password, the empty one, has been told.
Result<Transient> endorsementSession(Connection& connection) {
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
  TPM2B_NONCE noNonce{};
  TPM2B_DIGEST noParameters{};
  TPM2B_NONCE noReference{};
  TPM2B_TIMEOUT timeout{};
  TPMT_TK_AUTH ticket{};
  TSS2L_SYS_AUTH_RESPONSE answer{};
  TRY(connection.run("PolicySecret", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_PolicySecret(sys, TPM2_RH_ENDORSEMENT, handle, &kEmptyPassword, &noNonce,
                                 &noParameters, &noReference, 0, &timeout, &ticket, &answer);
  }));
  return session;
}

TSS2L_SYS_AUTH_COMMAND by(const Transient& session) {
  return {.count = 1,
          .auths = {{.sessionHandle = session.handle(),
                     .nonce = {},
                     .sessionAttributes = TPMA_SESSION_CONTINUESESSION,
                     .hmac = {}}}};
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

Transient::~Transient() {
  if (handle_ == 0) return;
  static_cast<void>(connection_->run("FlushContext", [this](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_FlushContext(sys, handle_);
  }));
}

bool EndorsementKey::isCertified() const {
  const std::string raw = rawKey(key.area);
  return certificate && !raw.empty() && certificate->der.find(raw) != std::string::npos;
}

Result<std::optional<Certificate>> readCertificate(Connection& connection) {
  auto ecc = TRY(certificateAt(connection, kEccCertificate));
  if (ecc) return ecc;
  return certificateAt(connection, kRsaCertificate);
}

Result<EndorsementKey> makeEndorsementKey(Connection& connection) {
  auto certificate = TRY(readCertificate(connection));
  const bool ecc = certificate ? certificate->index == kEccCertificate : TRY(hasP256(connection));
  const TPM2B_PUBLIC wanted = ecc ? eccEndorsement() : rsaEndorsement();

  const TPM2B_SENSITIVE_CREATE noSecret{};
  const TPM2B_DATA noInfo{};
  const TPML_PCR_SELECTION noRegisters{};
  TPM2_HANDLE handle = 0;
  TPM2B_PUBLIC area{};
  TPM2B_CREATION_DATA creation{};
  TPM2B_DIGEST creationHash{};
  TPMT_TK_CREATION ticket{};
  TPM2B_NAME name{};
  TSS2L_SYS_AUTH_RESPONSE answer{};
  TRY(connection.run("CreatePrimary", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_CreatePrimary(sys, TPM2_RH_ENDORSEMENT, &kEmptyPassword, &noSecret, &wanted,
                                  &noInfo, &noRegisters, &handle, &area, &creation, &creationHash,
                                  &ticket, &name, &answer);
  }));
  Transient object(connection, handle);
  return EndorsementKey{.object = std::move(object),
                        .key = TRY(publicKey(area, name, "CreatePrimary")),
                        .kind = ecc ? "ECC P-256, template L-2" : "RSA 2048, template L-1",
                        .certificate = std::move(certificate)};
}

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

Result<Transient> makeAttestationKey(Connection& connection, const EndorsementKey& parent) {
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
    const Transient session = TRY(endorsementSession(connection));
    const TSS2L_SYS_AUTH_COMMAND authorisation = by(session);
    TRY(connection.run("Create", [&](TSS2_SYS_CONTEXT* sys) {
      return Tss2_Sys_Create(sys, parent.object.handle(), &authorisation, &noSecret, &wanted,
                             &noInfo, &noRegisters, &privatePart, &area, &creation, &creationHash,
                             &ticket, &answer);
    }));
  }
  TPM2_HANDLE handle = 0;
  TPM2B_NAME name{};
  const Transient session = TRY(endorsementSession(connection));
  const TSS2L_SYS_AUTH_COMMAND authorisation = by(session);
  TRY(connection.run("Load", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_Load(sys, parent.object.handle(), &authorisation, &privatePart, &area, &handle,
                         &name, &answer);
  }));
  return Transient(connection, handle);
}

Result<void> keep(Connection& connection, const Transient& key, TPM2_HANDLE handle) {
  TSS2L_SYS_AUTH_RESPONSE answer{};
  return connection.run("EvictControl", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_EvictControl(sys, TPM2_RH_OWNER, key.handle(), &kEmptyPassword, handle,
                                 &answer);
  });
}

Result<void> evict(Connection& connection, TPM2_HANDLE handle) {
  TSS2L_SYS_AUTH_RESPONSE answer{};
  return connection.run("EvictControl", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_EvictControl(sys, TPM2_RH_OWNER, handle, &kEmptyPassword, handle, &answer);
  });
}

Result<std::string> activate(Connection& connection, const EndorsementKey& endorsement,
                             TPM2_HANDLE handle, std::string_view bytes) {
  const Challenge challenge = TRY(parseChallenge(bytes));
  const Transient session = TRY(endorsementSession(connection));
  TSS2L_SYS_AUTH_COMMAND authorisation = kEmptyPassword;  // of the attestation key
  authorisation.auths[1] = by(session).auths[0];          // of the endorsement key
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
