// SPDX-License-Identifier: Apache-2.0
// Somebody who makes TPMs and signs certificates of their endorsement keys, with openssl.  Tests of
// tests/attest only.
#pragma once

#include <string>

#include "tests/attest/quoted_host.h"

namespace airlock::attest::test {

class Maker {
 public:
  // `above`: whose certificate this authority has; nullptr: its own.
  explicit Maker(std::string model = "TPM 9000", Maker* above = nullptr,
                 const std::string& name = "Maker of TPMs");
  // DER.
  std::string certify(QuotedHost& host);
  std::string root() const { return directory_.read("ca.pem"); }
  // Takes back the last certificate that it signed.
  void revoke();
  // What it took back, in PEM; `dates` are flags of openssl ca.
  std::string crl(const std::string& dates = "-crldays 30");

 private:
  void run(const std::string& command);
  void signBy(Maker& above, const std::string& name);
  std::string model_;
  tpm::test::TemporaryDirectory directory_;
};

// Evidence of a host whose engine took its TPM for one of silicon, with that certificate.
Files siliconEvidence(QuotedHost& host, const std::string& certificate);

}  // namespace airlock::attest::test
