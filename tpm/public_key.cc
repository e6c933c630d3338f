// SPDX-License-Identifier: Apache-2.0
#include "tpm/public_key.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "tpm/canonical.h"
#include "tpm/connection.h"

namespace airlock::tpm {

namespace {

constexpr std::size_t kP256Bytes = 32;

std::string bytesOf(const BYTE* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A coordinate without its leading zeros, as TPMs may give it, at its full length.
std::string padded(const TPM2B_ECC_PARAMETER& coordinate) {
  const std::string bytes = bytesOf(coordinate.buffer, coordinate.size);
  if (bytes.size() >= kP256Bytes) return bytes;
  return std::string(kP256Bytes - bytes.size(), '\0') + bytes;
}

// --- DER (ITU-T X.690) ---
std::string element(char tag, const std::string& content) {
  std::string text(1, tag);
  const std::size_t size = content.size();
  if (size >= 0x100) {
    text += {'\x82', static_cast<char>(size >> 8 & 0xff)};
  } else if (size >= 0x80) {
    text += '\x81';
  }
  text += static_cast<char>(size & 0xff);
  return text + content;
}
std::string sequence(const std::string& content) { return element('\x30', content); }
std::string bitString(const std::string& content) {
  return element('\x03', std::string(1, '\0') + content);
}
std::string integer(std::string magnitude) {
  magnitude.erase(0, std::min(magnitude.find_first_not_of('\0'), magnitude.size() - 1));
  if ((magnitude.front() & '\x80') != 0) magnitude.insert(0, 1, '\0');
  return element('\x02', magnitude);
}
template <std::size_t N>
std::string identifier(const std::array<unsigned char, N>& arcs) {
  return element('\x06', bytesOf(arcs.data(), N));
}

constexpr std::array<unsigned char, 7> kEcPublicKey = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
constexpr std::array<unsigned char, 8> kPrime256v1 = {0x2a, 0x86, 0x48, 0xce,
                                                      0x3d, 0x03, 0x01, 0x07};
constexpr std::array<unsigned char, 9> kRsaEncryption = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                         0x0d, 0x01, 0x01, 0x01};

std::string eccInfo(const TPMS_ECC_POINT& point) {
  return sequence(sequence(identifier(kEcPublicKey) + identifier(kPrime256v1)) +
                  bitString('\x04' + padded(point.x) + padded(point.y)));
}
std::string rsaInfo(const TPM2B_PUBLIC_KEY_RSA& modulus, std::uint32_t exponent) {
  if (exponent == 0) exponent = 65537;  // TPM 2.0 part 2, 12.2.3.5
  std::string exponentBytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    exponentBytes.push_back(static_cast<char>(exponent >> shift & 0xff));
  }
  const std::string key =
      sequence(integer(bytesOf(modulus.buffer, modulus.size)) + integer(exponentBytes));
  return sequence(sequence(identifier(kRsaEncryption) + element('\x05', "")) + bitString(key));
}

bool isP256(const TPMT_PUBLIC& key) {
  return key.type == TPM2_ALG_ECC && key.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 &&
         key.unique.ecc.x.size <= kP256Bytes && key.unique.ecc.y.size <= kP256Bytes;
}
bool isRsa(const TPMT_PUBLIC& key) {
  return key.type == TPM2_ALG_RSA && key.unique.rsa.size >= 1 &&
         key.unique.rsa.size <= TPM2_MAX_RSA_KEY_BYTES;
}

}  // namespace

Result<PublicKey> publicKey(const TPM2B_PUBLIC& area, const TPM2B_NAME& name, const char* command) {
  const std::string bytes = TRY(encode(area));
  const HashAlgorithm* algorithm = findHash(area.publicArea.nameAlg);
  if (algorithm == nullptr) return malformedAnswer(command);
  PublicKey key{area,
                {static_cast<std::uint8_t>(algorithm->id >> 8),
                 static_cast<std::uint8_t>(algorithm->id & 0xff)}};
  const Bytes digest = hash(algorithm->id, std::string_view(bytes).substr(sizeof(UINT16)));
  key.name.insert(key.name.end(), digest.begin(), digest.end());
  if (!std::ranges::equal(
          key.name, std::span(name.name, std::min<std::size_t>(name.size, sizeof name.name)))) {
    return malformedAnswer(command);
  }
  return key;
}

Result<std::string> encode(const TPM2B_PUBLIC& area) {
  std::array<BYTE, sizeof(TPM2B_PUBLIC)> buffer{};
  std::size_t size = 0;
  TPM2B_PUBLIC whole = area;
  whole.size = 0;  // computed by the library
  if (Tss2_MU_TPM2B_PUBLIC_Marshal(&whole, buffer.data(), buffer.size(), &size) !=
      TSS2_RC_SUCCESS) {
    return fail(ErrorKind::Failed, "a public area cannot be encoded");
  }
  return bytesOf(buffer.data(), size);
}

namespace {
Result<std::string> subjectInfo(const TPM2B_PUBLIC& area) {
  const TPMT_PUBLIC& key = area.publicArea;
  if (isP256(key)) return eccInfo(key.unique.ecc);
  if (isRsa(key)) return rsaInfo(key.unique.rsa, key.parameters.rsaDetail.exponent);
  return refuse(ErrorKind::Unsupported, "E_ATTEST_KEY",
                "the key is neither of RSA nor of the curve P-256");
}
}  // namespace

Result<std::string> fingerprint(const TPM2B_PUBLIC& area) {
  return "sha256-" + toHex(hash(kSha256, TRY(subjectInfo(area))));
}

Result<std::string> pem(const TPM2B_PUBLIC& area) {
  constexpr std::size_t kLine = 64;  // RFC 7468
  const std::string base64 = toBase64(TRY(subjectInfo(area)));
  std::string text = "-----BEGIN PUBLIC KEY-----\n";
  for (std::size_t at = 0; at < base64.size(); at += kLine) text += base64.substr(at, kLine) + '\n';
  return text + "-----END PUBLIC KEY-----\n";
}

std::string describe(const TPM2B_PUBLIC& area) {
  const TPMT_PUBLIC& key = area.publicArea;
  if (key.type == TPM2_ALG_RSA) {
    const TPMS_RSA_PARMS& rsa = key.parameters.rsaDetail;
    const std::string kind = "RSA " + std::to_string(rsa.keyBits);
    return rsa.scheme.scheme == TPM2_ALG_RSASSA ? kind + ", RSASSA with SHA-256" : kind;
  }
  if (key.type != TPM2_ALG_ECC) return "of an unknown kind";
  const TPMS_ECC_PARMS& ecc = key.parameters.eccDetail;
  const std::string kind =
      ecc.curveID == TPM2_ECC_NIST_P256 ? "ECC P-256" : "ECC of curve " + hexOf(ecc.curveID);
  return ecc.scheme.scheme == TPM2_ALG_ECDSA ? kind + ", ECDSA with SHA-256" : kind;
}

std::string rawKey(const TPM2B_PUBLIC& area) {
  const TPMU_PUBLIC_ID& unique = area.publicArea.unique;
  if (isRsa(area.publicArea)) return bytesOf(unique.rsa.buffer, unique.rsa.size);
  if (isP256(area.publicArea)) return padded(unique.ecc.x) + padded(unique.ecc.y);
  return {};
}

bool isAttestationKey(const TPM2B_PUBLIC& area) {
  constexpr TPMA_OBJECT kNeeded = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                  TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                  TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH;
  const TPMT_PUBLIC& key = area.publicArea;
  if ((key.objectAttributes & kNeeded) != kNeeded ||
      (key.objectAttributes & TPMA_OBJECT_DECRYPT) != 0) {
    return false;
  }
  if (isP256(key)) {
    const TPMT_ECC_SCHEME& scheme = key.parameters.eccDetail.scheme;
    return scheme.scheme == TPM2_ALG_ECDSA && scheme.details.ecdsa.hashAlg == TPM2_ALG_SHA256;
  }
  if (!isRsa(key)) return false;
  const TPMT_RSA_SCHEME& scheme = key.parameters.rsaDetail.scheme;
  return scheme.scheme == TPM2_ALG_RSASSA && scheme.details.rsassa.hashAlg == TPM2_ALG_SHA256;
}

}  // namespace airlock::tpm
