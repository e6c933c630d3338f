// SPDX-License-Identifier: Apache-2.0
#include "attest/credential.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <sodium/randombytes.h>

#include <algorithm>
#include <array>
#include <memory>

#include "attest/freed.h"
#include "attest/refusal.h"
#include "attest/structures.h"
#include "base/log.h"
#include "tpm/hash.h"

namespace airlock::attest {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kDigest = 32;      // SHA-256, the name algorithm of every default EK
constexpr std::size_t kCoordinate = 32;  // P-256
constexpr std::size_t kAesKey = 16;      // AES-128
constexpr auto kFileMagic = "\xba\xdc\xc0\xde\x00\x00\x00\x01"sv;  // tpm2-tools: magic, version 1

using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

std::unexpected<Error> opensslFailed(std::string_view what) {
  ::ERR_clear_error();
  return fail(ErrorKind::Failed, "OpenSSL could not " + std::string(what));
}

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* octets(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

std::string bigEndian(std::size_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text.push_back(static_cast<char>(value >> (8 * bytes) & 0xff));
  return text;
}
std::string sized(std::string_view bytes) {  // TPM2B_*
  return bigEndian(bytes.size(), 2).append(bytes);
}

std::string hmac(std::string_view key, std::string_view message) {
  std::string code(kDigest, '\0');
  unsigned size = 0;
  ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(message), message.size(),
         octets(code), &size);
  return code;
}

std::string random(std::size_t bytes) {
  std::string text(bytes, '\0');
  ::randombytes_buf(text.data(), text.size());
  return text;
}

// KDFe of Part 1, 11.4.10.3: one block of SHA-256 is all that is needed.
std::string kdfE(std::string_view shared, std::string_view label, std::string_view partyU,
                 std::string_view partyV) {
  std::string input = bigEndian(1, 4).append(shared).append(label);
  input.push_back('\0');
  input.append(partyU).append(partyV);
  const tpm::Bytes digest = tpm::hash(tpm::kSha256, std::string_view(input));
  return {digest.begin(), digest.end()};
}

std::string coordinate(EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  std::string bytes(kCoordinate, '\0');
  if (::EVP_PKEY_get_bn_param(key, parameter, &number) != 1) return {};
  ::BN_bn2binpad(number, octets(bytes), kCoordinate);
  ::BN_free(number);
  return bytes;
}

struct Seed {
  std::string seed;
  std::string encrypted;  // what stands in the TPM2B_ENCRYPTED_SECRET
};

// One-pass ECDH with a key that is thrown away (Part 1, C.6.1).
Result<Seed> shareSeed(const Key& endorsement) {
  const Pkey ephemeral(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (ephemeral == nullptr) return opensslFailed("make a key");
  const PkeyContext context(::EVP_PKEY_CTX_new(ephemeral.get(), nullptr));
  std::string shared(kCoordinate, '\0');
  std::size_t size = shared.size();
  if (context == nullptr || ::EVP_PKEY_derive_init(context.get()) != 1 ||
      ::EVP_PKEY_derive_set_peer(context.get(), endorsement.handle()) != 1 ||
      ::EVP_PKEY_derive(context.get(), octets(shared), &size) != 1 || size != kCoordinate) {
    return opensslFailed("agree on a secret with the endorsement key");
  }
  const std::string x = coordinate(ephemeral.get(), OSSL_PKEY_PARAM_EC_PUB_X);
  const std::string y = coordinate(ephemeral.get(), OSSL_PKEY_PARAM_EC_PUB_Y);
  const std::string theirs = coordinate(endorsement.handle(), OSSL_PKEY_PARAM_EC_PUB_X);
  if (x.empty() || y.empty() || theirs.empty()) return opensslFailed("tell a key's numbers");
  return Seed{kdfE(shared, "IDENTITY", x, theirs), sized(x) + sized(y)};
}

// OAEP over SHA-256 with the label "IDENTITY" and its NUL (Part 1, B.10.3).
Result<Seed> encryptSeed(const Key& endorsement) {
  constexpr auto kLabel = "IDENTITY\0"sv;
  Seed result{random(kDigest), {}};
  const PkeyContext context(::EVP_PKEY_CTX_new(endorsement.handle(), nullptr));
  if (context == nullptr || ::EVP_PKEY_encrypt_init(context.get()) != 1 ||
      ::EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      ::EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), ::EVP_sha256()) != 1 ||
      ::EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), ::EVP_sha256()) != 1) {
    return opensslFailed("prepare OAEP");
  }
  void* label = ::OPENSSL_memdup(kLabel.data(), kLabel.size());
  if (label == nullptr || ::EVP_PKEY_CTX_set0_rsa_oaep_label(
                              context.get(), label, static_cast<int>(kLabel.size())) != 1) {
    ::OPENSSL_free(label);
    return opensslFailed("set OAEP's label");
  }
  std::size_t size = 0;
  if (::EVP_PKEY_encrypt(context.get(), nullptr, &size, octets(result.seed), kDigest) != 1) {
    return opensslFailed("encrypt for the endorsement key");
  }
  result.encrypted.resize(size);
  if (::EVP_PKEY_encrypt(context.get(), octets(result.encrypted), &size, octets(result.seed),
                         kDigest) != 1) {
    return opensslFailed("encrypt for the endorsement key");
  }
  result.encrypted.resize(size);
  return result;
}

Result<std::string> aes128Cfb(std::string_view key, std::string_view plain) {
  const std::array<unsigned char, 16> zeros{};
  const CipherContext context(::EVP_CIPHER_CTX_new());
  std::string cipher(plain.size(), '\0');
  int size = 0;
  if (context == nullptr ||
      ::EVP_EncryptInit_ex(context.get(), ::EVP_aes_128_cfb128(), nullptr, octets(key),
                           zeros.data()) != 1 ||
      ::EVP_EncryptUpdate(context.get(), octets(cipher), &size, octets(plain),
                          static_cast<int>(plain.size())) != 1 ||
      static_cast<std::size_t>(size) != plain.size()) {
    return opensslFailed("encrypt");
  }
  return cipher;
}

struct Endorsement {
  Key key;
  std::string warning;
};

constexpr char kUnknownMaker[] =
    "nobody stands for this TPM: no certificate of its maker was checked";

Result<Endorsement> fromCertificate(const EkCertificate& certificate, const Roots* roots) {
  Key key = TRY(Key::fromHandle(certificate.key().handle()));
  if (roots == nullptr) {
    const std::string software =
        certificate.namesSoftware() ? ", and it is the certificate of a software TPM" : "";
    return Endorsement{std::move(key), kUnknownMaker + software};
  }
  TRY(certificate.chainsTo(*roots));
  // Whose root it is, the owner of the fleet has chosen; what it is, they are told.
  return Endorsement{std::move(key),
                     certificate.namesSoftware() ? "it is the certificate of a software TPM" : ""};
}

Result<Endorsement> readEndorsement(std::string_view file, const Roots* roots) {
  if (file.find("-----BEGIN CERTIFICATE-----") != file.npos) {
    return fromCertificate(TRY(EkCertificate::fromPem(file)), roots);
  }
  if (file.starts_with('\x30')) return fromCertificate(TRY(EkCertificate::parse(file)), roots);
  if (roots != nullptr) {
    return refuseEvidence("E_ATTEST_EK",
                          "the endorsement key came without a certificate, so that no maker of "
                          "TPMs stands for it",
                          "--ek ek.crt");
  }
  if (file.find("-----BEGIN") != file.npos) {
    return Endorsement{TRY(Key::fromPem(file)), kUnknownMaker};
  }
  const PublicArea area = TRY(parsePublicArea(file));
  // What the TPM will decrypt with: it must be the kind of key that we encrypt for.
  if (!area.restricted || !area.decrypts || !area.fixedToTpm || area.nameHash != tpm::kSha256 ||
      !area.wrapsAes128) {
    return refuseEvidence("E_ATTEST_EK",
                          "it is no endorsement key of the default templates: a restricted "
                          "decryption key with SHA-256 and AES-128");
  }
  return Endorsement{TRY(Key::fromArea(area)), kUnknownMaker};
}

}  // namespace

std::string kdfA(std::string_view key, std::string_view label, std::string_view contextU,
                 std::string_view contextV, std::size_t bytes) {
  std::string input = bigEndian(1, 4).append(label);
  input.push_back('\0');
  input.append(contextU).append(contextV).append(bigEndian(bytes * 8, 4));
  return hmac(key, input).substr(0, bytes);
}

Result<std::string> wrapCredential(const Key& endorsement, std::string_view nameBytes,
                                   std::string_view secret) {
  const Seed seed = TRY(endorsement.isRsa() ? encryptSeed(endorsement) : shareSeed(endorsement));
  const std::string aesKey = kdfA(seed.seed, "STORAGE", nameBytes, "", kAesKey);
  const std::string encrypted = TRY(aes128Cfb(aesKey, sized(secret)));
  const std::string macKey = kdfA(seed.seed, "INTEGRITY", "", "", kDigest);
  const std::string mac = hmac(macKey, encrypted + std::string(nameBytes));
  // TPM2B_ID_OBJECT (integrity, then the encrypted secret), TPM2B_ENCRYPTED_SECRET.
  return std::string(kFileMagic) + sized(sized(mac) + encrypted) + sized(seed.encrypted);
}

Result<Challenge> makeChallenge(std::string_view endorsement, std::string_view attestation,
                                const Roots* roots) {
  const PublicArea area = TRY(inContext(parsePublicArea(attestation), "--ak-pub"));
  if (const auto why = whyNoAttestationKey(area)) {
    return refuseEvidence("E_ATTEST_AK", "it must not be enrolled: " + *why,
                          "an attestation key is made by `airlock attest init`");
  }
  Endorsement ek = TRY(readEndorsement(endorsement, roots));
  Challenge challenge{{}, random(kDigest), std::move(ek.warning)};
  challenge.file = TRY(wrapCredential(ek.key, area.name, challenge.secret));
  return challenge;
}

}  // namespace airlock::attest
