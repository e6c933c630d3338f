// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/public_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "verifier/authenticate/armor.h"

namespace airlock::verifier {

namespace {

constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----";
constexpr std::string_view kEnd = "-----END PUBLIC KEY-----";
constexpr int kLeastRsaBits = 2048;
constexpr int kMostRsaBits = 8192;

// What a SubjectPublicKeyInfo begins with, up to the key's own bytes (RFC 5480, RFC 8410): named
// curve, uncompressed point.  There is no other DER form of these that we take.
struct Shape {
  std::string_view prefix;
  std::size_t keyBytes;
};
using namespace std::string_view_literals;
constexpr Shape kP256{
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"sv,
    64};
constexpr Shape kP384{
    "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04"sv,
    96};
constexpr Shape kEd25519{"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"sv, 32};

bool hasShape(std::string_view der, const Shape& shape) {
  return der.starts_with(shape.prefix) && der.size() == shape.prefix.size() + shape.keyBytes;
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::unexpected<Error> notAKey(std::string why) {
  return refuse(ErrorKind::Invalid, "E_KEY", "not one public key: " + why,
                "A PEM public key is written by: openssl pkey -in KEY -pubout, or cosign "
                "public-key --key KEY");
}

struct ContextEnd {
  void operator()(EVP_PKEY_CTX* context) const { ::EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
};
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, ContextEnd>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, ContextEnd>;

// OpenSSL keeps what went wrong per thread; nobody reads it here.
struct ErrorsEnd {
  ErrorsEnd() = default;
  ErrorsEnd(const ErrorsEnd&) = delete;
  ErrorsEnd& operator=(const ErrorsEnd&) = delete;
  ~ErrorsEnd() { ::ERR_clear_error(); }
};

// The base64 between the two lines.  RFC 7468, without what may stand around it.
Result<std::string> readPem(std::string_view file) {
  const auto blank = [](std::string_view line) {
    return line.find_first_not_of(" \t") == line.npos;
  };
  std::string_view line;
  do {
    if (file.empty()) return notAKey("it is empty");
    line = takeLine(file);
  } while (blank(line));
  if (line != kBegin) return notAKey("its first line is not \"" + std::string(kBegin) + "\"");
  std::string base64;
  for (;;) {
    if (file.empty()) return notAKey("it has no end");
    line = takeLine(file);
    if (line == kEnd) break;
    base64 += line;
  }
  while (!file.empty()) {
    if (!blank(takeLine(file))) return notAKey("it has text after its end");
  }
  auto der = readBase64(base64);
  if (!der) return notAKey(der.error().message());
  return der;
}

std::string reencoded(const EVP_PKEY* key) {
  unsigned char* raw = nullptr;
  const int length = ::i2d_PUBKEY(key, &raw);
  if (length <= 0) return "";
  std::string der(reinterpret_cast<const char*>(raw), static_cast<std::size_t>(length));
  ::OPENSSL_free(raw);
  return der;
}

std::string hashed(std::string_view message, const EVP_MD* hash) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (::EVP_Digest(message.data(), message.size(), digest.data(), &length, hash, nullptr) != 1)
    return "";
  return {reinterpret_cast<const char*>(digest.data()), length};
}

enum class Padding { None, Pkcs1, Pss };

bool verifiesHash(EVP_PKEY* key, std::string_view digest, const EVP_MD* hash,
                  std::string_view signature, Padding padding) {
  const ErrorsEnd errors;
  const KeyContext context(::EVP_PKEY_CTX_new(key, nullptr));
  if (!context || digest.empty() || ::EVP_PKEY_verify_init(context.get()) != 1) return false;
  if (padding != Padding::None) {
    const int number = padding == Padding::Pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
    if (::EVP_PKEY_CTX_set_rsa_padding(context.get(), number) != 1) return false;
  }
  if (::EVP_PKEY_CTX_set_signature_md(context.get(), hash) != 1) return false;
  // 1 is yes; 0 and less are a signature that is wrong, or malformed.
  return ::EVP_PKEY_verify(context.get(), bytes(signature), signature.size(), bytes(digest),
                           digest.size()) == 1;
}

bool verifiesWhole(EVP_PKEY* key, std::string_view message, std::string_view signature) {
  const ErrorsEnd errors;
  const DigestContext context(::EVP_MD_CTX_new());
  return context && ::EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         ::EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(message),
                            message.size()) == 1;
}

}  // namespace

void PublicKey::End::operator()(evp_pkey_st* key) const { ::EVP_PKEY_free(key); }

bool looksLikePublicKey(std::string_view file) {
  const auto start = file.find_first_not_of(" \t\r\n");
  return start != file.npos && file.substr(start).starts_with(kBegin);
}

Result<KeyFingerprint> fingerprintOf(std::string_view subjectPublicKeyInfo) {
  Sha256 hash;
  hash.update(std::span(bytes(subjectPublicKeyInfo), subjectPublicKeyInfo.size()));
  return KeyFingerprint::parse("sha256-" + toHex(hash.finish()));
}

std::optional<PublicKey::Algorithm> PublicKey::algorithmOf(std::string_view der,
                                                           const evp_pkey_st* key) {
  if (hasShape(der, kP256)) return Algorithm::EcdsaP256;
  if (hasShape(der, kP384)) return Algorithm::EcdsaP384;
  if (hasShape(der, kEd25519)) return Algorithm::Ed25519;
  if (::EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) return Algorithm::Rsa;
  return std::nullopt;
}

Result<PublicKey> PublicKey::parse(std::string_view file) {
  const ErrorsEnd errors;
  if (file.size() > limits::kKeyFileBytes) return notAKey("the file is too large");
  if (file.find("PRIVATE KEY-----") != file.npos) return notAKey("it holds a private key");
  const std::string der = TRY(readPem(file));
  // The host's openssl.cnf is nobody's business here.
  ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  const unsigned char* at = bytes(der);
  Handle key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!key || at != bytes(der) + der.size() || reencoded(key.get()) != der)
    return notAKey("it is no SubjectPublicKeyInfo in DER, or of an unknown kind");
  const auto algorithm = algorithmOf(der, key.get());
  if (!algorithm) return notAKey("it is none of ECDSA P-256 or P-384, Ed25519 and RSA");
  const int bits = ::EVP_PKEY_get_bits(key.get());
  if (*algorithm == Algorithm::Rsa && (bits < kLeastRsaBits || bits > kMostRsaBits)) {
    return notAKey("an RSA key of " + std::to_string(bits) + " bits is " +
                   (bits < kLeastRsaBits ? "too weak" : "too large"));
  }
  const KeyContext context(::EVP_PKEY_CTX_new(key.get(), nullptr));
  if (!context || ::EVP_PKEY_public_check(context.get()) != 1)
    return notAKey("its numbers are no key");
  return PublicKey(TRY(fingerprintOf(der)), *algorithm, std::move(key));
}

std::string PublicKey::description() const {
  switch (algorithm_) {
    case Algorithm::EcdsaP256:
      return "ECDSA P-256";
    case Algorithm::EcdsaP384:
      return "ECDSA P-384";
    case Algorithm::Ed25519:
      return "Ed25519";
    case Algorithm::Rsa:
      return "RSA " + std::to_string(::EVP_PKEY_get_bits(key_.get())) + " bits";
  }
  std::unreachable();
}

bool PublicKey::verifies(std::string_view message, std::string_view signature) const {
  const std::string sha256 = hashed(message, ::EVP_sha256());
  switch (algorithm_) {
    case Algorithm::Ed25519:
      return verifiesWhole(key_.get(), message, signature);
    case Algorithm::EcdsaP256:
      return verifiesHash(key_.get(), sha256, ::EVP_sha256(), signature, Padding::None);
    case Algorithm::EcdsaP384:
      return verifiesHash(key_.get(), sha256, ::EVP_sha256(), signature, Padding::None) ||
             verifiesHash(key_.get(), hashed(message, ::EVP_sha384()), ::EVP_sha384(), signature,
                          Padding::None);
    case Algorithm::Rsa:
      return verifiesHash(key_.get(), sha256, ::EVP_sha256(), signature, Padding::Pkcs1) ||
             verifiesHash(key_.get(), sha256, ::EVP_sha256(), signature, Padding::Pss);
  }
  std::unreachable();
}

std::optional<bool> PublicKey::verifiesDigest(const OciDigest& document,
                                              std::string_view signature) const {
  const std::string_view digest(reinterpret_cast<const char*>(document.bytes().data()),
                                document.bytes().size());
  switch (algorithm_) {
    case Algorithm::Ed25519:
      return std::nullopt;
    case Algorithm::EcdsaP256:
    case Algorithm::EcdsaP384:
      return verifiesHash(key_.get(), digest, ::EVP_sha256(), signature, Padding::None);
    case Algorithm::Rsa:
      return verifiesHash(key_.get(), digest, ::EVP_sha256(), signature, Padding::Pkcs1) ||
             verifiesHash(key_.get(), digest, ::EVP_sha256(), signature, Padding::Pss);
  }
  std::unreachable();
}

}  // namespace airlock::verifier
