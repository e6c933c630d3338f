// SPDX-License-Identifier: Apache-2.0
// Certificates of endorsement keys: what a TPM's maker says about it (TCG EK Credential Profile).
// airlock-attest.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attest/key.h"
#include "base/result.h"

struct x509_st;
struct X509_crl_st;

namespace airlock::attest {

struct X509Deleter {
  void operator()(x509_st* certificate) const;
};
using X509Handle = std::unique_ptr<x509_st, X509Deleter>;
struct CrlDeleter {
  void operator()(X509_crl_st* list) const;
};
using CrlHandle = std::unique_ptr<X509_crl_st, CrlDeleter>;

// Whom the verifier believes about TPMs: any certificate of it, root or not, ends a chain.  And
// what they took back.
class Roots {
 public:
  // One or more CERTIFICATE blocks in PEM.  E_ATTEST_ROOTS
  static Result<Roots> parse(std::string_view pem);
  // One or more X509 CRL blocks in PEM.  From then on who issued a certificate of an endorsement
  // key must have a list, and authorities above are looked up where there is one.  E_ATTEST_CRLS
  Result<void> addCrls(std::string_view pem);
  const std::vector<X509Handle>& certificates() const { return certificates_; }
  const std::vector<CrlHandle>& crls() const { return crls_; }

 private:
  std::vector<X509Handle> certificates_;
  std::vector<CrlHandle> crls_;
};

class EkCertificate {
 public:
  // DER, exactly.  E_ATTEST_EK
  static Result<EkCertificate> parse(std::string_view der);
  static Result<EkCertificate> fromPem(std::string_view pem);

  const Key& key() const { return key_; }
  const std::string& manufacturer() const { return manufacturer_; }  // "id:53544d20"
  const std::string& model() const { return model_; }
  const std::string& issuer() const { return issuer_; }
  // It names a TPM that is a program: swtpm's certificates do.
  bool namesSoftware() const;
  // One of `roots` is the end of its chain, now; and it is for an endorsement key.  E_ATTEST_EK,
  // E_ATTEST_EK_REVOKED, E_ATTEST_CRL: a list that is needed is not there, too old or not its
  // authority's.
  Result<void> chainsTo(const Roots& roots) const;

 private:
  EkCertificate(X509Handle certificate, Key key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}
  static Result<EkCertificate> admit(X509Handle certificate);
  X509Handle certificate_;
  Key key_;
  std::string manufacturer_;
  std::string model_;
  std::string issuer_;
};

// The names that a key can have as the endorsement key of the default templates (EK Credential
// Profile 2.5, B.3 and B.4: L-1, L-2, H-1, H-2): TPM2B_NAME's content.
std::vector<std::string> endorsementNames(const Key& key);

// Whether the attestation key that has this name and calls itself `qualifiedSigner` in a quote was
// made below that endorsement key (Part 1, 16 "Names"): the quote itself ties the certificate to
// the key that is trusted.
bool madeBelow(const Key& endorsement, std::string_view attestationName,
               std::string_view qualifiedSigner);

}  // namespace airlock::attest
