// SPDX-License-Identifier: Apache-2.0
#include "attest/key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <ctime>

#include "attest/freed.h"
#include "base/digest.h"
#include "base/limits.h"

namespace airlock::attest {

namespace {

constexpr int kLeastRsaBits = 2048;
constexpr int kMostRsaBits = 4096;
constexpr std::size_t kCoordinate = 32;

using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

std::unexpected<Error> notAKey(std::string why) {
  ::ERR_clear_error();
  return refuse(ErrorKind::Invalid, "E_ATTEST_KEY", "it is no attestation key: " + std::move(why),
                "ak.pem (SubjectPublicKeyInfo in PEM) or ak.pub (TPM2B_PUBLIC), as enrolment wrote "
                "it");
}

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Number numberOf(std::string_view bytes) {
  return Number(::BN_bin2bn(octets(bytes), static_cast<int>(bytes.size()), nullptr));
}

EVP_PKEY* make(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(::OSSL_PARAM_BLD_to_param(builder));
  const Context context(::EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || ::EVP_PKEY_fromdata_init(context.get()) != 1 ||
      ::EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return key;
}

EVP_PKEY* makeEcc(const PublicArea& area) {
  if (area.first.empty() || area.first.size() > kCoordinate || area.second.empty() ||
      area.second.size() > kCoordinate) {
    return nullptr;
  }
  // A TPM may leave zeros at the front out.
  std::string point("\x04");
  point.append(kCoordinate - area.first.size(), '\0').append(area.first);
  point.append(kCoordinate - area.second.size(), '\0').append(area.second);
  const Builder builder(::OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      ::OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1",
                                        0) != 1 ||
      ::OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
    return nullptr;
  }
  return make("EC", builder.get());
}

EVP_PKEY* makeRsa(const PublicArea& area) {
  const Number modulus = numberOf(area.first);
  const Number exponent(::BN_new());
  const Builder builder(::OSSL_PARAM_BLD_new());
  if (modulus == nullptr || exponent == nullptr || builder == nullptr ||
      ::BN_set_word(exponent.get(), area.exponent) != 1 ||
      ::OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      ::OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  return make("RSA", builder.get());
}

std::string derOf(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = ::i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  ::OPENSSL_free(der);
  return text;
}

bool isP256(const EVP_PKEY* key) {
  std::array<char, 32> group{};
  return ::EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
         ::EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(),
                                          group.size(), nullptr) == 1 &&
         std::string_view(group.data()) == "prime256v1";
}

// r and s as the SEQUENCE that OpenSSL wants.
std::string ecdsaDer(const Signature& signature) {
  if (signature.first.size() > kCoordinate || signature.second.size() > kCoordinate) return {};
  Number r = numberOf(signature.first);
  Number s = numberOf(signature.second);
  const EcdsaSignature pair(::ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || pair == nullptr ||
      ::ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) {
    return {};
  }
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = ::i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  ::OPENSSL_free(der);
  return text;
}

}  // namespace

void Key::Deleter::operator()(evp_pkey_st* key) const { ::EVP_PKEY_free(key); }

void prepareOpenssl() {
  ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  // For the dates of certificates it calls gmtime_r(), which looks for /etc/localtime the first
  // time: later no file can be opened.
  ::tzset();
}

Result<Key> Key::admit(Handle key) {
  if (key == nullptr) return notAKey("its numbers are no key");
  if (::EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA) {
    const int bits = ::EVP_PKEY_get_bits(key.get());
    if (bits < kLeastRsaBits || bits > kMostRsaBits) {
      return notAKey("an RSA key of " + std::to_string(bits) + " bits");
    }
  } else if (!isP256(key.get())) {
    return notAKey("it is neither on P-256 nor of RSA");
  }
  const Context context(::EVP_PKEY_CTX_new(key.get(), nullptr));
  if (context == nullptr || ::EVP_PKEY_public_check(context.get()) != 1) {
    return notAKey("its numbers are no key");
  }
  std::string der = derOf(key.get());
  if (der.empty()) return notAKey("it cannot be written down");
  return Key(std::move(key), std::move(der));
}

Result<Key> Key::fromPem(std::string_view pem) {
  const std::unique_ptr<BIO, Freed<BIO_free>> bio(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Handle key(bio == nullptr ? nullptr
                            : ::PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  return admit(std::move(key));
}

Result<Key> Key::fromArea(const PublicArea& area) {
  switch (area.kind) {
    case PublicArea::Kind::EccP256:
      return admit(Handle(makeEcc(area)));
    case PublicArea::Kind::Rsa:
      return admit(Handle(makeRsa(area)));
    case PublicArea::Kind::Other:
      break;
  }
  return notAKey("it is neither on P-256 nor of RSA");
}

Result<Key> Key::fromHandle(evp_pkey_st* key) {
  if (key == nullptr || ::EVP_PKEY_up_ref(key) != 1) return notAKey("there is none");
  return admit(Handle(key));
}

bool Key::isRsa() const { return ::EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA; }

std::string Key::fingerprint() const { return ociDigestOf(der_).text(); }

bool Key::verifies(std::string_view message, const Signature& signature) const {
  if (isRsa() != (signature.scheme == Signature::Scheme::Rsassa)) return false;
  const std::string bytes = isRsa() ? signature.first : ecdsaDer(signature);
  if (isRsa() && bytes.size() != static_cast<std::size_t>(::EVP_PKEY_get_size(key_.get()))) {
    return false;
  }
  const DigestContext context(::EVP_MD_CTX_new());
  // RSASSA-PKCS1-v1_5 is what OpenSSL does with an RSA key unless it is told otherwise.
  const bool good =
      context != nullptr && !bytes.empty() &&
      ::EVP_DigestVerifyInit(context.get(), nullptr, ::EVP_sha256(), nullptr, key_.get()) == 1 &&
      ::EVP_DigestVerify(context.get(), octets(bytes), bytes.size(), octets(message),
                         message.size()) == 1;
  ::ERR_clear_error();
  return good;
}

Result<std::vector<TrustedKey>> readInventory(std::string_view file) {
  constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----";
  constexpr std::string_view kEnd = "-----END PUBLIC KEY-----";
  std::vector<TrustedKey> keys;
  if (file.find("-----BEGIN") == file.npos) {
    const PublicArea area = TRY(inContext(parsePublicArea(file), "the attestation key"));
    Key key = TRY(Key::fromArea(area));
    keys.push_back({std::move(key), area});
    return keys;
  }
  if (file.find("PRIVATE KEY-----") != file.npos) return notAKey("the file holds a private key");
  for (std::size_t at = file.find(kBegin); at != file.npos; at = file.find(kBegin, at)) {
    const std::size_t end = file.find(kEnd, at);
    if (end == file.npos) return notAKey("its PEM block does not end");
    if (keys.size() == limits::kAttestationKeys) return notAKey("there are too many in the file");
    keys.push_back({TRY(Key::fromPem(file.substr(at, end + kEnd.size() - at))), std::nullopt});
    at = end;
  }
  if (keys.empty()) return notAKey("the file has no block of the type PUBLIC KEY");
  return keys;
}

std::optional<std::string> whyNoAttestationKey(const PublicArea& area) {
  if (area.kind == PublicArea::Kind::Other) return "it is neither on P-256 nor of RSA";
  if (!area.restricted) return "it is not restricted, and so signs whatever its owner likes";
  if (!area.signs || area.decrypts) return "it is no signing key";
  if (!area.signsSha256) return "its scheme is neither ECDSA nor RSASSA with SHA-256";
  if (!area.fixedToTpm || !area.fixedToParent) return "it can leave its TPM";
  if (!area.madeByTpm) return "its private part was not made by its TPM";
  if (area.nameHash != tpm::kSha256) return "its name is not a SHA-256";
  return std::nullopt;
}

}  // namespace airlock::attest
