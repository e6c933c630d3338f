// SPDX-License-Identifier: Apache-2.0
#include "attest/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "attest/freed.h"
#include "attest/refusal.h"
#include "base/limits.h"
#include "tpm/hash.h"

namespace airlock::attest {

namespace {

// TCG EK Credential Profile 2.5, 3.1.2 and 3.1.3.
constexpr char kManufacturer[] = "2.23.133.2.1";
constexpr char kModel[] = "2.23.133.2.2";
constexpr char kEkUsage[] = "2.23.133.8.1";

using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
using Usages = std::unique_ptr<EXTENDED_KEY_USAGE, Freed<EXTENDED_KEY_USAGE_free>>;

std::unexpected<Error> badCertificate(std::string why) {
  ::ERR_clear_error();
  return refuseEvidence("E_ATTEST_EK", "the certificate of the endorsement key " + std::move(why));
}

std::string oidText(const ASN1_OBJECT* object) {
  std::array<char, 80> text{};
  const int size = ::OBJ_obj2txt(text.data(), text.size(), object, /*no_name=*/1);
  return size > 0 ? std::string(text.data()) : std::string();
}

std::string attributeOf(const X509_NAME* name, const char* oid) {
  for (int i = 0; i < ::X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = ::X509_NAME_get_entry(name, i);
    if (oidText(::X509_NAME_ENTRY_get_object(entry)) != oid) continue;
    const ASN1_STRING* value = ::X509_NAME_ENTRY_get_data(entry);
    return {reinterpret_cast<const char*>(::ASN1_STRING_get0_data(value)),
            static_cast<std::size_t>(::ASN1_STRING_length(value))};
  }
  return {};
}

// The TPM is described by the directory name among the subject's other names; by the subject itself
// where the maker did so.
std::string describedAs(const X509* certificate, const char* oid) {
  const GeneralNames names(static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DIRNAME) continue;
    if (std::string value = attributeOf(name->d.directoryName, oid); !value.empty()) return value;
  }
  return attributeOf(::X509_get_subject_name(certificate), oid);
}

std::string nameText(const X509_NAME* name) {
  const Bio bio(::BIO_new(BIO_s_mem()));
  if (bio == nullptr || ::X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(std::max(0L, size))};
}

bool isForEndorsement(const X509* certificate) {
  const Usages usages(static_cast<EXTENDED_KEY_USAGE*>(
      ::X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  if (usages == nullptr) return true;  // older ones have none
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    if (oidText(sk_ASN1_OBJECT_value(usages.get(), i)) == kEkUsage) return true;
  }
  return false;
}

std::string lowered(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

X509Handle readPem(BIO* bio) {
  return X509Handle(::PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

// Lists of authorities above the one that issued the certificate are not demanded.
int passOver(int good, X509_STORE_CTX* context) {
  if (good == 1) return 1;
  if (::X509_STORE_CTX_get_error(context) != X509_V_ERR_UNABLE_TO_GET_CRL ||
      ::X509_STORE_CTX_get_error_depth(context) == 0) {
    return 0;
  }
  ::X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

using Stack = std::unique_ptr<STACK_OF(X509), Freed<[](STACK_OF(X509) * stack) {
                                sk_X509_free(stack);  // its certificates are the roots'
                              }>>;

// With revocation lists, an authority that another one of `roots` stands for does not end a chain
// by itself: it may be what was revoked.
bool endsChain(const X509Handle& certificate, const Roots& roots) {
  if (roots.crls().empty()) return true;
  return std::ranges::none_of(roots.certificates(), [&](const X509Handle& above) {
    return ::X509_cmp(above.get(), certificate.get()) != 0 &&
           ::X509_check_issued(above.get(), certificate.get()) == X509_V_OK;
  });
}

std::unexpected<Error> refusedChain(int why) {
  ::ERR_clear_error();
  const std::string text = ::X509_verify_cert_error_string(why);
  switch (why) {
    case X509_V_ERR_CERT_REVOKED:
      return refuseEvidence("E_ATTEST_EK_REVOKED",
                            "the maker of the TPM has revoked the certificate of its endorsement "
                            "key, or that of an authority above it");
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return refuseEvidence("E_ATTEST_CRL",
                            "there is no list of revoked certificates by who issued the one of the "
                            "endorsement key",
                            "its address is in the certificate: openssl x509 -ext "
                            "crlDistributionPoints");
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
      return refuseEvidence("E_ATTEST_CRL",
                            "a list of revoked certificates cannot be used: " + text,
                            "get the one that is in force from the maker of the TPM");
    default:
      return badCertificate("is not one of a TPM's maker that is trusted: " + text);
  }
}

std::string nameOf(std::string_view bytes) {
  const tpm::Bytes digest = tpm::hash(tpm::kSha256, bytes);
  return std::string("\x00\x0b", 2).append(digest.begin(), digest.end());
}

std::string numberOf(EVP_PKEY* key, const char* parameter, std::size_t size) {
  BIGNUM* number = nullptr;
  std::string bytes(size, '\0');
  if (::EVP_PKEY_get_bn_param(key, parameter, &number) != 1) return {};
  const int written = ::BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()),
                                     static_cast<int>(size));
  ::BN_free(number);
  return written < 0 ? std::string() : bytes;
}

}  // namespace

void X509Deleter::operator()(x509_st* certificate) const { ::X509_free(certificate); }
void CrlDeleter::operator()(X509_crl_st* list) const { ::X509_CRL_free(list); }

Result<Roots> Roots::parse(std::string_view pem) {
  Roots roots;
  const Bio bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (bio != nullptr && roots.certificates_.size() < limits::kRoots) {
    X509Handle certificate = readPem(bio.get());
    if (certificate == nullptr) break;
    roots.certificates_.push_back(std::move(certificate));
  }
  // Nothing left is the end; anything else was no certificate.
  const bool atEnd = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ::ERR_clear_error();
  if (!atEnd || roots.certificates_.empty()) {
    return refuse(ErrorKind::Invalid, "E_ATTEST_ROOTS",
                  "the makers' certificates cannot be read, or there is none",
                  "--ek-roots is a directory of certificates in PEM or DER");
  }
  return roots;
}

Result<void> Roots::addCrls(std::string_view pem) {
  const Bio bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (bio != nullptr && crls_.size() < limits::kRoots) {
    CrlHandle list(::PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
    if (list == nullptr) break;
    crls_.push_back(std::move(list));
  }
  const bool atEnd = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ::ERR_clear_error();
  if (atEnd && !crls_.empty()) return {};
  return refuse(ErrorKind::Invalid, "E_ATTEST_CRLS",
                "the lists of revoked certificates cannot be read, or there is none",
                "--crl takes files and directories of CRLs in PEM or DER");
}

Result<EkCertificate> EkCertificate::admit(X509Handle certificate) {
  auto key = Key::fromHandle(::X509_get0_pubkey(certificate.get()));
  if (!key) return badCertificate("has a key that is neither on P-256 nor of RSA");
  EkCertificate result(std::move(certificate), std::move(*key));
  result.manufacturer_ = describedAs(result.certificate_.get(), kManufacturer);
  result.model_ = describedAs(result.certificate_.get(), kModel);
  result.issuer_ = nameText(::X509_get_issuer_name(result.certificate_.get()));
  ::ERR_clear_error();
  return result;
}

Result<EkCertificate> EkCertificate::parse(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  X509Handle certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr || at != end) return badCertificate("is no certificate in DER");
  return admit(std::move(certificate));
}

Result<EkCertificate> EkCertificate::fromPem(std::string_view pem) {
  const Bio bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509Handle certificate = bio == nullptr ? nullptr : readPem(bio.get());
  if (certificate == nullptr) return badCertificate("is no certificate in PEM");
  return admit(std::move(certificate));
}

bool EkCertificate::namesSoftware() const {
  // libtpms names IBM, by its number at the PCI-SIG; no TPM of silicon does.
  constexpr std::array<std::string_view, 2> kSoftware{"id:00001014", "id:49424d00"};
  return std::ranges::count(kSoftware, std::string_view(lowered(manufacturer_))) != 0 ||
         lowered(model_).starts_with("swtpm") || lowered(issuer_).find("swtpm") != issuer_.npos;
}

Result<void> EkCertificate::chainsTo(const Roots& roots) const {
  const std::unique_ptr<X509_STORE, Freed<X509_STORE_free>> store(::X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>> context(::X509_STORE_CTX_new());
  const Stack between(sk_X509_new_null());
  if (store == nullptr || context == nullptr || between == nullptr) {
    return badCertificate("cannot be checked: no memory");
  }
  for (const X509Handle& root : roots.certificates()) {
    const bool added = endsChain(root, roots) ? ::X509_STORE_add_cert(store.get(), root.get()) == 1
                                              : sk_X509_push(between.get(), root.get()) > 0;
    if (!added) return badCertificate("cannot be checked: no memory");
  }
  ::X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT);
  if (!roots.crls().empty()) {
    for (const CrlHandle& list : roots.crls()) ::X509_STORE_add_crl(store.get(), list.get());
    ::X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    ::X509_STORE_set_verify_cb(store.get(), passOver);
  }
  if (::X509_STORE_CTX_init(context.get(), store.get(), certificate_.get(), between.get()) != 1) {
    return badCertificate("cannot be checked");
  }
  const int good = ::X509_verify_cert(context.get());
  const int why = ::X509_STORE_CTX_get_error(context.get());
  ::ERR_clear_error();
  if (good != 1) return refusedChain(why);
  if (!isForEndorsement(certificate_.get())) return badCertificate("is not for an endorsement key");
  return {};
}

std::vector<std::string> endorsementNames(const Key& key) {
  using std::string_view_literals::operator""sv;
  // PolicySecret(TPM_RH_ENDORSEMENT), and that or the policy of the higher templates (B.6).
  constexpr auto kPolicyA =
      "\x83\x71\x97\x67\x44\x84\xb3\xf8\x1a\x90\xcc\x8d\x46\xa5\xd7\x24\xfd\x52\xd7\x6e\x06\x52\x0b"
      "\x64\xf2\xa1\xda\x1b\x33\x14\x69\xaa"sv;
  constexpr auto kPolicyB =
      "\xca\x3d\x0a\x99\xa2\xb9\x39\x06\xf7\xa3\x34\x24\x14\xef\xcf\xb3\xa3\x85\xd4\x4c\xd1\xfd\x45"
      "\x90\x89\xd1\x9b\x50\x71\xc0\xb7\xa0"sv;
  constexpr auto kAes128Cfb = "\x00\x06\x00\x80\x00\x43"sv;
  constexpr std::size_t kRsaBytes = 256;
  constexpr std::size_t kCoordinate = 32;

  std::string front;
  std::string back(kAes128Cfb);
  if (key.isRsa()) {
    const std::string modulus = numberOf(key.handle(), OSSL_PKEY_PARAM_RSA_N, kRsaBytes);
    if (modulus.empty()) return {};
    front = "\x00\x01\x00\x0b"sv;
    // No scheme, 2048 bits, the usual exponent.
    back.append("\x00\x10\x08\x00\x00\x00\x00\x00\x01\x00"sv).append(modulus);
  } else {
    const std::string x = numberOf(key.handle(), OSSL_PKEY_PARAM_EC_PUB_X, kCoordinate);
    const std::string y = numberOf(key.handle(), OSSL_PKEY_PARAM_EC_PUB_Y, kCoordinate);
    if (x.empty() || y.empty()) return {};
    front = "\x00\x23\x00\x0b"sv;
    // No scheme, P-256, no KDF.
    back.append("\x00\x10\x00\x03\x00\x10\x00\x20"sv).append(x).append("\x00\x20"sv).append(y);
  }
  std::vector<std::string> names;
  for (const auto& [attributes, policy] :
       {std::pair("\x00\x03\x00\xb2"sv, kPolicyA), std::pair("\x00\x03\x00\xf2"sv, kPolicyB)}) {
    std::string area = front;
    area.append(attributes).append("\x00\x20"sv).append(policy).append(back);
    names.push_back(nameOf(area));
  }
  return names;
}

bool madeBelow(const Key& endorsement, std::string_view attestationName,
               std::string_view qualifiedSigner) {
  constexpr std::string_view kEndorsementHierarchy("\x40\x00\x00\x0b", 4);
  return std::ranges::any_of(endorsementNames(endorsement), [&](const std::string& name) {
    const std::string parent = nameOf(std::string(kEndorsementHierarchy) + name);
    return nameOf(parent + std::string(attestationName)) == qualifiedSigner;
  });
}

}  // namespace airlock::attest
