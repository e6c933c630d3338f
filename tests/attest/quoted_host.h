// SPDX-License-Identifier: Apache-2.0
// A host whose TPM quotes what our measuring process logged: swtpm, airlock-measure and tpm2-tools.
// Tests of tests/attest only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attest/appraise.h"
#include "attest/firmware_for_test.h"
#include "tpm/event.h"
#include "tpm/test_tpm.h"

namespace airlock::attest::test {

using Files = std::map<std::string, std::string>;
using Edit = std::function<void(Files&)>;

// As one ustar archive.
std::string archive(const Files& files);

inline constexpr char kNonceHex[] = "00112233445566778899aabbccddeeff";
std::string bytesOf(const std::string& hex);
inline std::string nonce() { return bytesOf(kNonceHex); }

class QuotedHost {
 public:
  explicit QuotedHost(const std::string& banks = "sha256,sha384");
  // Starts so many pods, each with records of its own.
  void run(int pods = 1);
  // With an image, a pod or a fact of the engine changed.
  void run(const ipc::MeasureJob& job);
  // Extends the register by events that no process of ours wrote, and returns their log.
  std::string extend(const std::vector<tpm::Event>& events);
  // What the firmware would have done before us.
  void extendFirmware(const FirmwareLogWriter& boot);
  // The evidence, as `airlock attest quote` leaves it.
  Files quote(const std::string& nonceHex = kNonceHex,
              const std::string& selection = "sha256:0,1,2,3,4,5,6,7,8,9,14,15+sha384:15");
  std::string pem() const;  // of the attestation key
  const std::string& publicArea() const { return publicArea_; }
  tpm::test::Swtpm& tpm() { return *tpm_; }
  const tpm::test::TemporaryDirectory& files() const { return files_; }
  const tpm::test::TemporaryDirectory& log() const { return log_; }
  void makeKeys(const std::string& algorithm = "ecc", const std::string& scheme = "ecdsa");

 private:
  std::unique_ptr<tpm::test::Swtpm> tpm_;
  tpm::test::TemporaryDirectory log_;
  tpm::test::TemporaryDirectory files_;
  std::string publicArea_;
};

// A key that is in no TPM, and signs whatever it is given.
class SoftKey {
 public:
  SoftKey();
  ~SoftKey();
  SoftKey(const SoftKey&) = delete;
  std::string pem() const;
  std::string sign(const std::string& bytes) const;     // TPMT_SIGNATURE
  std::string signDer(const std::string& bytes) const;  // as OpenSSL writes it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What appraise() makes of it: "" or the code of the refusal.
struct Verdict {
  std::string code;
  std::string text;
  Appraisal appraisal;
};
Verdict judgeEvidence(const Files& files, const std::string& key,
                      const std::string& nonceBytes = nonce(), const std::string& policy = "",
                      const std::string& roots = "", bool requireHardware = false,
                      const std::string& crls = "", const std::string& revoked = "");
// As `audit verify`; `trust` is in the form of attest/signers.h.
Verdict judgeExport(const Files& files, const std::string& key, const std::string& trust = "",
                    const std::string& policy = "");

// The log's elements, RS and LF included, and back.
std::vector<std::string> elementsOf(const std::string& log);
std::string joined(const std::vector<std::string>& elements);

}  // namespace airlock::attest::test
